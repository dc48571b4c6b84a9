"""Occurrences of the past are fired after all: each still is one firing or one skip (invariant 3)."""

from datetime import timedelta
from typing import Any

import pytest

from console.deeds import backfill
from console.problems import Problem
from shared.store import invariants, tallies
from tests.schedules.conftest import NOON, World

HOUR = timedelta(hours=1)


def run(world: World, schedule: Any, first: float, last: float, **wish: Any) -> backfill.Backfilled:
    return backfill.run(
        world.admission, schedule.id, backfill.Wish(NOON + first * HOUR, NOON + last * HOUR, **wish), "me"
    )


def outage(world: World, **over: Any) -> Any:
    """A schedule that missed 13:00 to 16:00 and fired at 17:00; nothing waits."""
    schedule = world.schedule(**over)
    world.later(hours=5)
    world.beat()
    world.rows.execute("update firings set status = 'cancelled', finished_at = now()")
    world.admission.withdraw([it for (it,) in world.all("select id from firings")])
    assert world.skips(schedule.id) == [(NOON + HOUR, NOON + 4 * HOUR, 4, "missed")]
    return schedule


def test_a_backfill_takes_the_place_of_skips_and_leaves_the_rest_of_them(world: World) -> None:
    schedule = outage(world)

    done = run(world, schedule, 2, 3)

    assert world.fired(schedule.id) == [NOON + it * HOUR for it in (2, 3, 5)]
    assert world.skips(schedule.id) == [
        (NOON + HOUR, NOON + HOUR, 1, "missed"),
        (NOON + 4 * HOUR, NOON + 4 * HOUR, 1, "missed"),
    ]
    made = "select id, source, number, status from firings where source = 'backfill' order by nominal_at"
    assert world.all(made) == [(it.id, "backfill", n, "queued") for n, it in enumerate(done.made, 2)]
    assert world.one("select fired_count from schedules where id = %s", schedule.id) == 3
    assert world.admission.ask(lambda gate: gate.usage()).waiting == 2
    logged = "select actor, request_body ->> 'fired' from activity_logs where type = 'schedule_backfilled'"
    assert world.all(logged) == [("me", "2")]
    again = run(world, schedule, 2, 3)
    assert (again.made, again.planned.fired_already) == ((), 2)
    assert invariants.broken(world.rows) == []


@pytest.mark.parametrize("folds", [[], [0], [1], [0, 1, 2]])
def test_a_skip_that_a_backfill_takes_apart_was_counted_once(world: World, folds: list[int]) -> None:
    """A counter neither goes down nor counts again, whenever rows are folded into it."""
    schedule = outage(world)
    counted = [4.0]

    for step in range(3):
        if step in folds:
            tallies.fold(world.rows, 100)
        if step < 2:
            run(world, schedule, 2 + step, 2.5 + step)
        counted += [it.value for it in tallies.counted(world.rows) if it.name == "skips"]

    assert counted == [4.0] * 4
    assert [count for _, _, count, _ in world.skips(schedule.id)] == [1, 1]


def test_a_dry_run_says_what_would_be_fired_and_changes_nothing(world: World) -> None:
    schedule = outage(world)
    before = (world.fired(schedule.id), world.skips(schedule.id))

    told = run(world, schedule, 0, 9 / 2, dry_run=True)

    assert [it.nominal_at for it in told.made] == [NOON + it * HOUR for it in range(5)]
    assert (world.fired(schedule.id), world.skips(schedule.id)) == before
    assert world.all("select type from activity_logs where type = 'schedule_backfilled'") == []


@pytest.mark.parametrize("overlap", ["skip", "queue_one", "replace"])
def test_the_present_does_not_wait_for_the_past(world: World, overlap: str) -> None:
    """SCH-7: a backfill that waits in line is in nobody's way."""
    schedule = outage(world, overlap=overlap)
    run(world, schedule, 1, 4)

    world.later(hours=1)
    world.beat()

    assert world.fired(schedule.id) == [NOON + it * HOUR for it in range(1, 7)]
    assert world.one("select count(*) from firings where source = 'backfill' and status = 'queued'") == 4


def test_a_backfill_begins_before_its_schedule_was_made_but_not_before_its_bounds(world: World) -> None:
    schedule = world.schedule(end_at=(NOON + 3 * HOUR).isoformat())
    world.later(hours=2)
    world.beat()

    done = run(world, schedule, -3, 2)

    assert [it.nominal_at for it in done.made] == [NOON + it * HOUR for it in (-3, -2, -1, 0, 1)]
    assert invariants.broken(world.rows) == []


def test_what_beat_has_still_to_decide_is_left_to_it(world: World) -> None:
    schedule = world.schedule()
    world.later(hours=2)

    done = run(world, schedule, 0, 2)

    assert [it.nominal_at for it in done.made] == [NOON]
    world.beat()
    assert world.fired(schedule.id) == [NOON, NOON + 2 * HOUR]
    assert invariants.broken(world.rows) == []


@pytest.mark.parametrize(
    ("first", "last", "status", "code"),
    [(2, 2, 422, "end_before_start"), (0, 6, 422, "end_in_future"), (-24 * 90, 0, 422, "backfill_too_large")],
)
def test_a_span_that_cannot_be_is_refused(world: World, first: float, last: float, status: int, code: str) -> None:
    schedule = outage(world)

    with pytest.raises(Problem) as refusal:
        run(world, schedule, first, last)

    assert (refusal.value.status, refusal.value.wrong[0].field, refusal.value.wrong[0].code) == (status, "end", code)


def test_what_ran_so_long_ago_that_it_is_forgotten_does_not_run_again(world: World) -> None:
    """Its firings are deleted, and no other row says that there were any."""
    schedule = outage(world)
    world.rows.execute("update schedules set created_at = %s", [NOON])
    world.rows.execute("delete from firings")
    world.later(days=90)
    world.beat()

    with pytest.raises(Problem) as refusal:
        run(world, schedule, 4.5, 5.5)
    before = run(world, schedule, -2, -1, dry_run=True)
    since = run(world, schedule, 5, 6, dry_run=True)

    assert [(it.field, it.code) for it in refusal.value.wrong] == [("start", "start_forgotten")]
    assert "keep_firings_days = 90" in str(refusal.value)
    assert [len(it.made) for it in (before, since)] == [2, 2], "before it was made, nothing can have run"


def test_a_paused_schedule_is_resumed_first(world: World) -> None:
    schedule = outage(world)
    world.pause(schedule.id)

    with pytest.raises(Problem) as refusal:
        run(world, schedule, 1, 2)

    assert (refusal.value.status, refusal.value.error) == (409, "schedule_paused")
