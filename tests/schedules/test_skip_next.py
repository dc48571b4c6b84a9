"""A next occurrence that a person took out is a skip of its own reason, and the one after it runs (MAN-7)."""

from datetime import timedelta

import pytest

from console.deeds import skipping
from console.problems import Problem
from shared.rules.jitter import jitter
from tests.schedules.conftest import World

HOUR = timedelta(hours=1)


def test_the_next_occurrence_is_skipped_once_and_counted_as_asked_for(world: World) -> None:
    known = world.schedule("a", jitter_s=600)
    assert known.next_run_at is not None
    first = known.next_run_at - jitter(known.id, 600)
    for _ in range(2):
        after = skipping.skip_next(world.admission.database, known.id, "me")
    assert after.skip_next_at == first

    world.set(first + timedelta(minutes=11))
    world.beat()
    assert world.fired(known.id) == []
    world.set(first + HOUR + timedelta(minutes=11))
    world.beat()

    assert world.skips(known.id) == [(first, first, 1, "manual")]
    assert world.fired(known.id) == [first + HOUR]
    assert world.one("select count(*) from activity_logs where type = 'next_skipped'") == 1


def test_what_was_taken_back_or_edited_away_runs(world: World) -> None:
    back, edited = world.schedule("back"), world.schedule("edited")
    for it in (back, edited):
        skipping.skip_next(world.admission.database, it.id, "me")

    skipping.keep_next(world.admission.database, back.id, "me")
    assert world.edit(edited.id, prompt="other").skip_next_at == edited.next_run_at
    assert world.edit(edited.id, cron="0 * * * 0-6,7").skip_next_at in (None, edited.next_run_at)
    assert world.edit(edited.id, cron="30 * * * *").skip_next_at is None
    assert back.next_run_at is not None
    world.set(back.next_run_at + HOUR - timedelta(minutes=10))
    world.beat()

    assert [len(world.fired(it.id)) for it in (back, edited)] == [1, 1]
    assert world.skips(back.id) == []


def test_what_was_taken_out_stays_so_while_it_is_the_next_one(world: World) -> None:
    paused, edited, over = world.schedule("paused"), world.schedule("edited", jitter_s=60), world.schedule("over")
    for it in (paused, edited, over):
        skipping.skip_next(world.admission.database, it.id, "me")
    assert paused.next_run_at is not None
    first = paused.next_run_at

    world.pause(paused.id)
    world.resume(paused.id)
    world.edit(edited.id, jitter_s=120, end_at=first + 9 * HOUR)
    world.pause(over.id)
    world.set(first + timedelta(minutes=5))
    world.resume(over.id)
    assert world.one("select skip_next_at from schedules where id = %s", over.id) is None
    world.beat()
    world.later(hours=1)
    world.beat()

    assert [world.fired(it.id) for it in (paused, edited, over)] == [[first + HOUR]] * 3
    assert [world.skips(it.id)[0][3] for it in (paused, edited, over)] == ["manual", "manual", "paused"]


def test_what_is_paused_or_ended_has_no_next_occurrence_to_skip(world: World) -> None:
    known = world.schedule("a")
    world.pause(known.id)

    with pytest.raises(Problem) as refused:
        skipping.skip_next(world.admission.database, known.id, "me")

    assert (refused.value.status, refused.value.error) == (409, "nothing_to_skip")


def test_what_a_catch_up_left_for_the_last_runs_is_theirs_when_one_is_skipped(world: World) -> None:
    """Of five occurrences that are due two may run; the first was taken out, so it is the next two."""
    known = world.schedule("a", overlap="queue_all", missed="all", remaining_runs=2)
    assert known.next_run_at is not None
    skipping.skip_next(world.admission.database, known.id, "me")

    world.later(hours=5)
    world.beat()
    world.beat()

    first = known.next_run_at
    assert world.fired(known.id) == [first + HOUR, first + 2 * HOUR]
    assert world.skips(known.id) == [(first, first, 1, "manual")]
    assert world.is_(known.id) == "archived"
