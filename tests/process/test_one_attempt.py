"""One attempt on its way: what its payload is told of itself, and what its end says of what it used."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.celery_app import MAINTENANCE
from shared.settings import Settings
from shared.store import activity, progress
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import by_hand
from tests.process.test_reaper import running
from workers.chain import execute
from workers.outcome import Outcome
from workers.settle import settle
from workers.station import Station


def test_a_payload_is_told_whose_it_is(fleet: Fleet, station: Station, tmp_path: Path) -> None:
    told = tmp_path / "told"
    fleet.admission.ask(lambda gate: gate.renew("w", 9, 60_000, []))
    workspace = fleet.workspace("lab")
    schedule = fleet.schedule(workspace, "nightly", ["true"], due_in_s=900)
    names = ("SCHEDULE", "WORKSPACE", "ATTEMPT", "FIRING_ID", "MAX_TURNS")
    script = f"printf '%s,' {' '.join(f'$SLOTBEAT_{it}' for it in names)} > {told}"
    target = {"kind": "command", "argv": ["sh", "-c", script]}
    firing = replace(by_hand(workspace), schedule_id=schedule, target=target, max_turns=7)
    fleet.admission.run_now(firing, activity.Deed("run", "test", {}), queue=False)

    assert execute(station, firing.id, "celery-1") == "completed"

    assert told.read_text() == f"nightly,lab,1,{firing.id},7,"


def test_turns_that_were_told_on_the_way_count_where_the_end_says_nothing(fleet: Fleet) -> None:
    token = running(fleet)
    progress.tell(fleet.database.connection(), token, progress.Progress(5, 0, 0, 0, None))

    settle(fleet.database, token, Outcome(None, exit_code=0), Settings())

    assert fleet.rows("select turn_count from schedule_firing_metrics") == [(5,)]


def test_what_was_killed_before_it_could_end_what_it_began_elsewhere_has_that_cancelled(
    fleet: Fleet, station: Station
) -> None:
    """An abort that took longer than its grace, or the kernel for want of memory: the task elsewhere ran on."""
    fleet.admission.ask(lambda gate: gate.renew("w", 9, 60_000, []))
    target = {"kind": "python", "callable": "tests.targets.callables:vanishes"}
    firing = replace(by_hand(fleet.workspace()), target=target)
    fleet.admission.run_now(firing, activity.Deed("run", "test", {}), queue=False)

    execute(station, firing.id, "celery-1")

    assert fleet.rows("select remote_ref, outcome from attempts") == [("left behind", "failed")]
    assert fleet.admission.gate.redis.llen(MAINTENANCE) == 1


@pytest.mark.parametrize(("lines", "width"), [(100, 40_000), (2500, 1)])
def test_of_much_output_the_newest_is_kept_and_said_that_more_was_there(
    fleet: Fleet, station: Station, lines: int, width: int
) -> None:
    """RUN-1."""
    fleet.admission.ask(lambda gate: gate.renew("w", 9, 60_000, []))
    script = f"for it in range({lines}): print(f'line {{it}} ' + 'x' * {width}, flush=True)"
    target = {"kind": "command", "argv": [sys.executable, "-c", script]}
    firing = replace(by_hand(fleet.workspace()), target=target)
    fleet.admission.run_now(firing, activity.Deed("run", "test", {}), queue=False)

    assert execute(station, firing.id, "celery-1") == "completed"

    kept = fleet.rows("select seq, data ->> 'text', length(data::text) from firing_events order by seq")
    first, *others = kept
    assert first[:2] == (others[0][0] - 1, f"{first[0]} events before this are not kept.")
    assert [it[0] for it in others] == list(range(first[0] + 1, lines + 1))
    assert others[-1][1].startswith(f"line {lines - 1} ")
    assert len(others) == 2000 or 900_000 < sum(it[2] for it in others) < 1024 * 1024
