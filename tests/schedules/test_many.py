"""Many schedules due at once: two ticks share them out, and each occurrence is decided once."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from beat import many
from beat.many import tick_many
from shared.admission import waiter
from shared.rules.jitter import jitter
from shared.settings import Settings
from shared.store import due, firings
from tests.schedules.conftest import World
from tests.slots.snapshot import taken, under_epoch

BACKFILLED = """
    insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
    select gen_random_uuid(), id, workspace_id, 'backfill', %s, 't', '{}', 9 from schedules where id = %s
"""
BATCH = Settings(tick_batch=3)
COUNT = 20


def due_at_once(world: World, count: int = COUNT, **over: Any) -> None:
    for number in range(count):
        world.schedule(f"s{number}", **over)
    world.later(hours=1)


def test_what_two_ticks_share_out_makes_one_firing_of_each_and_is_put_in_line_once(world: World) -> None:
    due_at_once(world)

    told = tick_many(world.admission, BATCH)

    assert (told.schedules, told.made, told.more) == (COUNT, COUNT, False)
    assert world.one("select count(distinct schedule_id) from firings") == COUNT
    usage = world.admission.ask(lambda gate: gate.usage())
    assert usage.waiting == COUNT
    assert world.one("select count(distinct number) from firings") == 1


def test_both_of_them_tick_and_a_bounded_number_of_times(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins while the first decides, not after it."""
    due_at_once(world)
    began, who = threading.Barrier(2, timeout=20), list[str]()
    really = due.advance

    def together(*given: Any, **told: Any) -> due.Made:
        if threading.current_thread().name not in who:
            who.append(threading.current_thread().name)
            began.wait()
        return really(*given, **told)

    monkeypatch.setattr(due, "advance", together)
    monkeypatch.setattr(many, "MOST_TICKS", 2)
    told = tick_many(world.admission, BATCH)

    assert (told.schedules, told.more) == (12, True)
    assert len(who) == 2


def test_nobody_helps_where_one_tick_takes_all_that_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    due_at_once(world, 2)
    monkeypatch.setattr(many, "ThreadPoolExecutor", None)

    assert tick_many(world.admission, BATCH).made == 2


def test_what_goes_wrong_beside_it_is_told_and_undone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    due_at_once(world)
    really = due.advance

    def breaks(*given: Any, **told: Any) -> due.Made:
        if threading.current_thread() is not threading.main_thread():
            raise OSError("as if")
        return really(*given, **told)

    monkeypatch.setattr(due, "advance", breaks)
    monkeypatch.setattr(many, "MOST_TICKS", 1)
    with pytest.raises(OSError, match="as if"):
        tick_many(world.admission, BATCH)

    assert world.one("select count(*) from firings") == 3


def test_schedules_that_are_due_together_each_have_their_own_times(world: World) -> None:
    """What one cron comes to is worked out once for all that are alike, and not for those that only look it."""
    alike = [world.schedule("a"), world.schedule("b")]
    other = world.schedule("c", timezone="Asia/Kolkata", cron="30 * * * *")
    ending = world.schedule("d", end_at="2026-11-20T13:00:00Z")
    delayed = world.schedule("e", jitter_s=600)
    world.later(hours=1, minutes=10)

    tick_many(world.admission, Settings())

    next_runs = dict(world.all("select id, next_run_at from schedules"))
    two = world.now.replace(hour=14, minute=0)
    assert [next_runs[it.id] for it in (*alike, other, ending)] == [two, two, two, None]
    assert next_runs[delayed.id] == two + jitter(delayed.id, 600)
    assert world.one("select count(*) from firings where nominal_at = %s", two.replace(hour=13)) == 5


def test_two_that_are_due_at_one_moment_by_delays_of_their_own_are_not_alike(world: World) -> None:
    delayed, at = [world.schedule(name, jitter_s=600) for name in "ab"], world.now.replace(hour=13, minute=30)
    world.rows.execute("update schedules set next_run_at = %s", [at])
    world.later(hours=1, minutes=30)

    tick_many(world.admission, Settings())

    fired = dict(world.all("select schedule_id, nominal_at from firings"))
    assert fired == {it.id: at - jitter(it.id, 600) for it in delayed}


@pytest.mark.parametrize("overlap", ["skip", "allow"])
def test_those_that_are_alike_but_for_what_runs_of_them_are_told_apart(world: World, overlap: str) -> None:
    busy, idle = [world.schedule(name, overlap=overlap) for name in ("busy", "idle")]
    world.later(hours=1)
    tick_many(world.admission, Settings())
    world.rows.execute("update firings set status = 'cancelled', finished_at = now() where schedule_id = %s", [idle.id])
    world.later(hours=1)

    tick_many(world.admission, Settings())

    fired = dict(world.all("select schedule_id, count(*)::int from firings group by 1"))
    assert fired == {busy.id: 1 if overlap == "skip" else 2, idle.id: 2}


def test_of_two_with_budgets_of_their_own_the_one_that_used_its_up_is_skipped(world: World) -> None:
    spent, left = [world.schedule(name, budget_turns=5) for name in ("spent", "left")]
    world.later(hours=1)
    world.rows.execute(
        "insert into spend (token, schedule_id, workspace_id, is_reserved, turns) values (1, %s, %s, false, 5)",
        [spent.id, world.workspace],
    )

    tick_many(world.admission, Settings())

    assert world.all("select schedule_id from firings") == [(left.id,)]
    assert world.all("select schedule_id, reason from skips") == [(spent.id, "budget")]


def test_those_that_cannot_be_decided_are_each_set_aside_and_stop_nobody(world: World) -> None:
    broken = [world.schedule(name) for name in ("a", "b")]
    world.schedule("whole")
    world.later(hours=1)
    world.rows.execute("update schedules set timezone = 'Mars/Olympus' where id = any(%s)", [[it.id for it in broken]])

    told = tick_many(world.admission, Settings())

    assert (told.schedules, told.made) == (3, 1)
    assert world.all("select name, paused_reason from schedules order by 1") == [
        ("a", "quarantined"),
        ("b", "quarantined"),
        ("whole", None),
    ]
    titles = {title for (title,) in world.all("select title from alerts")}
    assert titles == {"a was set aside", "b was set aside"}


def test_an_occurrence_that_has_its_firing_already_makes_none_and_all_others_theirs(world: World) -> None:
    """SCH-3."""
    twice = [world.schedule(f"s{number}", overlap="allow") for number in range(3)][1]
    world.later(hours=1)
    world.rows.execute(BACKFILLED, [world.now, twice.id])

    told = tick_many(world.admission, Settings())

    assert (told.schedules, told.made) == (3, 2)
    assert world.all("select distinct nominal_at, next_run_at - nominal_at from firings f, schedules s") == [
        (world.now, timedelta(hours=1))
    ]


def test_many_occurrences_of_one_each_make_a_firing_with_its_number(world: World) -> None:
    late, other = world.schedule("late", overlap="queue_all", missed="all"), world.schedule("other", overlap="allow")
    world.later(hours=3)

    tick_many(world.admission, Settings())

    query = "select schedule_id, number, extract(hour from nominal_at)::int from firings order by line_no"
    assert world.all(query) == [(late.id, 1, 13), (late.id, 2, 14), *sorted([(late.id, 3, 15), (other.id, 1, 15)])]
    assert world.all("select distinct fired_count, name from schedules order by 1") == [(1, "other"), (3, "late")]


def test_the_gate_is_told_of_new_firings_what_it_is_told_of_those_in_line(world: World) -> None:
    """Beat has them written by Postgres, whatever their names are, and never reads them."""
    named = world.schedule("named", lane='a "lane"\\', priority=2)
    world.rows.execute("update schedules set name = %s where id = %s", ['its "name"\\\tis Zoë 🐝\n', named.id])
    world.schedule("plain", priority=9)
    world.later(hours=1)
    world.admission.make_whole()  # or it would be made whole with them

    tick_many(world.admission, Settings())

    told = [waiter(it).facts() for it in firings.startable(world.rows, 0, 9)]
    assert len(told) == 2
    known = under_epoch(taken(world.admission.gate.redis), world.admission.gate)
    assert known["firings"] == {firing: facts for firing, *facts in told}
