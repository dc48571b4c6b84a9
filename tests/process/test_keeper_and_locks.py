"""A keeper among transactions that hold its attempts' rows for longer than it can wait."""

import pytest

from shared.clock import boottime
from shared.store import connection
from tests.process.conftest import Fleet
from tests.process.test_keeper_alone import LEASE_S, MARGIN_S, Line, Shift, shift, station, two_running
from tests.waiting import until

__all__ = ["shift", "station"]


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a row."""
    hasty = connection._SERVER_TIMEOUTS.replace("lock_timeout=5000", "lock_timeout=300")
    monkeypatch.setattr(connection, "_SERVER_TIMEOUTS", hasty)


@pytest.mark.usefixtures("in_a_hurry")
def test_a_row_that_stays_locked_costs_nobody_else_a_renewal(fleet: Fleet, database_url: str, shift: Shift) -> None:
    kept, locked = two_running(shift)

    def told_since(line: Line, moment: float) -> bool:
        return any(it >= moment + LEASE_S - MARGIN_S for it in line.heard("deadline"))

    def renewed(line: Line, moment: float) -> bool:
        shift.station.tell_keeper(b"renew now")
        return told_since(line, moment)

    with connection.connect(database_url) as other, other.transaction():
        other.execute("set local idle_in_transaction_session_timeout = 0")
        other.execute("select from attempts where firing_id = %s for update", [locked.firing])
        before = boottime()
        until(lambda: renewed(kept, before))
        fleet.rows("update processes set capacity = 1 returning 1")
        until(lambda: fleet.rows("select capacity from processes") == [(7,)])  # the round goes on to its end
        assert not told_since(locked, before)

    until(lambda: renewed(locked, before))
    assert not locked.heard("kill")
