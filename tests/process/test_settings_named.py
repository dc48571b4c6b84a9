"""What a process's environment has wrong is named once, with what it goes by instead (CFG-1)."""

import signal

from shared.store import settings
from tests.process.conftest import Fleet


def test_a_worker_with_its_pool_and_a_beat_name_it_once_each(fleet: Fleet) -> None:
    fleet.environment["SLOTBEAT_FAILURE_STREAK_LIMIT"] = "1.5"
    settings.store(fleet.database.connection(), "failure_streak_limit", "5", "me")
    workspace = fleet.workspace()
    for number in range(3):
        fleet.schedule(workspace, f"s{number}", ["true"])
    both = fleet.worker(), fleet.beat()
    assert len(fleet.ended(3)) == 3
    for it in both:
        it.process.send_signal(signal.SIGTERM)
        it.wait(30)

    for it in both:
        assert it.text.count("setting.ignored") == 1
        assert 'name="SLOTBEAT_FAILURE_STREAK_LIMIT" value="1.5"' in it.text
        assert 'instead=5 instead_from="table"' in it.text
