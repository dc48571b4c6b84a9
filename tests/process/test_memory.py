"""What a worker's processes share: memory that each has of its own is what a host runs out of."""

from pathlib import Path

from tests.process.conftest import ROOT, Fleet
from tests.waiting import until

# Not forked from the tests, as others are: those have much besides that nobody ever touches.
WORKER = "import runpy; runpy.run_module('workers', run_name='__main__')"


def dirty_kb(pid: int, whose: str) -> int:
    """Written to since it was mapped: by this process alone (`Private`), or before it was forked (`Shared`)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    [found] = [line.split()[1] for line in lines if line.startswith(f"{whose}_Dirty:")]
    return int(found)


def test_children_share_most_of_what_their_worker_had_loaded(fleet: Fleet) -> None:
    """A collector of garbage goes through a child soon after its start, and writes beside each object it looks at."""
    fleet.schedule(fleet.workspace(), "ran", ["true"])
    worker = fleet.begin("python", "-c", WORKER, "-n", "w1@test", "-c", "3", env=fleet.environment, cwd=ROOT)
    until(lambda: fleet.rows("select 1 from processes where kind = 'worker'"))
    fleet.beat()
    fleet.ended()

    children = [it.pid for it in worker.tree() if it.parent == worker.pid]

    assert len(children) == 3
    for child in children:
        assert dirty_kb(child, "Private") < dirty_kb(child, "Shared")


def test_what_beat_has_loaded_is_gone_through_no_more(fleet: Fleet) -> None:
    """It took 50 ms, in the middle of a tick."""
    code = (
        "import gc; from celery import signals; from celery.beat import Service;"
        " from beat.celery import SCHEDULER, app;"
        " signals.beat_init.send(sender=Service(app, scheduler_cls=SCHEDULER));"
        " print('kept', gc.get_freeze_count() > len(gc.get_objects()))"
    )

    told = fleet.begin("python", "-c", code, env=fleet.environment, cwd=ROOT)

    assert told.wait() == 0
    assert told.text.endswith("kept True\n")
