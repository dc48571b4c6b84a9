"""Budgets over a rolling day: what would start is checked together with what runs."""

import threading
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.store import attempts, budgets, epoch, progress
from shared.store.attempts import Attempt, Refused
from shared.store.connection import connect
from tests.store.rows import Rows, claimer

SPENT = Refused("spent", None)


def budget(rows: Rows, key: str = "fleet", **over: int) -> None:
    budgets.put(rows.sql, key, budgets.Wanted(**{"turns": None, "tokens": None, "micros": None, **over}), "test")


def use(rows: Rows) -> budgets.Budget:
    [found] = budgets.every(rows.sql)
    return found


def spend(rows: Rows, schedule: UUID | None = None, **used: int) -> None:
    """A firing that ran and used so much."""
    told: dict[str, Any] = {"turns": 0, "input_tokens": 0, "output_tokens": 0, "cost_micros": 0, **used}
    claimed = rows.running(schedule_id=schedule, forced=True)
    progress.tell(rows.sql, claimed.token, progress.Progress(**told, remote_ref=None))
    rows.settle(claimed.token)


@pytest.mark.parametrize(
    ("measure", "used"),
    [("turns", {"turns": 10}), ("tokens", {"input_tokens": 6, "output_tokens": 4}), ("micros", {"cost_micros": 10})],
)
@pytest.mark.parametrize("whose", ["fleet", "workspace", "schedule"])
def test_a_budget_that_is_used_up_starts_nothing_until_spend_is_a_day_old(
    whose: str, measure: str, used: dict[str, int], rows: Rows
) -> None:
    schedule = rows.schedule(**({f"budget_{measure}": 10} if whose == "schedule" else {}))
    if whose != "schedule":
        budget(rows, "fleet" if whose == "fleet" else f"workspace:{rows.workspace}", **{measure: 10})
    spend(rows, schedule, **used)
    firing = rows.firing(schedule_id=schedule)

    assert rows.claim(firing) == SPENT
    assert rows.one("select not_before > now() from firings where id = %s", firing), "it waits, and holds nobody up"
    assert rows.one("select count(*) from slots where token is not null") == 0

    rows.sql.execute("update firings set not_before = null where id = %s", [firing])
    rows.sql.execute("update spend set at = at - interval '24 hours'")

    assert isinstance(rows.claim(firing), Attempt)


def test_another_workspace_and_another_schedule_are_not_held_by_it(rows: Rows) -> None:
    poor, rich = rows.schedule(budget_turns=5, overlap="allow"), rows.schedule()
    spend(rows, poor, turns=5)

    assert rows.claim(rows.firing(schedule_id=poor)) == SPENT
    assert isinstance(rows.claim(rows.firing(schedule_id=rich)), Attempt)


def test_a_forced_firing_goes_past_it_and_counts(rows: Rows) -> None:
    budget(rows, turns=5)
    spend(rows, turns=5)

    spend(rows, turns=2)

    assert use(rows).spent_turns == 7


def test_eight_that_start_at_once_cannot_overshoot_by_eight(rows: Rows, database_url: str) -> None:
    rows.cap("fleet", 20)
    schedule = rows.schedule(overlap="allow")
    for _ in range(3):
        spend(rows, schedule, turns=10)
    rows.sql.execute("delete from spend")
    budget(rows, turns=35)
    waiting = [rows.firing(schedule_id=schedule) for _ in range(8)]
    together, told = threading.Barrier(8), []

    def start(firing: UUID) -> None:
        with connect(database_url) as other:
            together.wait(10)
            told.append(attempts.claim(other, firing, uuid4(), claimer(epoch.current(other).number)))

    starters = [threading.Thread(target=start, args=(it,)) for it in waiting]
    for it in starters:
        it.start()
    for it in starters:
        it.join()

    # Each is expected to use ten, so four are all that may begin under a budget of 35.
    started = [it for it in told if isinstance(it, Attempt)]
    assert (len(started), told.count(SPENT)) == (4, 4)
    assert use(rows).held_turns == 40

    for it in started:
        progress.tell(rows.sql, it.token, progress.Progress(2, 0, 0, 0, None))
        rows.settle(it.token)

    assert (use(rows).spent_turns, use(rows).held_turns) == (8, 0), "settled by what was used"
    assert isinstance(rows.claim(rows.firing(schedule_id=schedule)), Attempt)


def test_what_nobody_can_guess_runs_one_at_a_time(rows: Rows) -> None:
    budget(rows, tokens=100)

    first, second = rows.claim(rows.firing()), rows.firing()

    assert isinstance(first, Attempt)
    assert first.may_tokens == 100
    assert rows.claim(second) == SPENT

    progress.tell(rows.sql, first.token, progress.Progress(0, 30, 0, 0, None))
    rows.settle(first.token)
    rows.sql.execute("update firings set not_before = null where status = 'queued'")

    later = rows.claim(second)
    assert isinstance(later, Attempt)
    assert later.may_tokens == 70


def test_of_several_budgets_the_one_that_leaves_least_says_how_far_a_firing_may_go(rows: Rows) -> None:
    budget(rows, tokens=100)
    budget(rows, f"workspace:{rows.workspace}", tokens=10)

    first = rows.claim(rows.firing())

    assert isinstance(first, Attempt)
    assert first.may_tokens == 10


def test_a_firing_may_use_what_is_left_or_twice_what_is_expected(rows: Rows) -> None:
    schedule = rows.schedule(overlap="allow")
    for _ in range(2):
        spend(rows, schedule, turns=10)
    budget(rows, turns=25)

    little_left = rows.claim(rows.firing(schedule_id=schedule))
    assert isinstance(little_left, Attempt)
    assert (little_left.may_turns, little_left.may_tokens) == (20, None), "5 are left, 10 expected"

    rows.settle(little_left.token)
    budget(rows, turns=1000)
    much_left = rows.claim(rows.firing(schedule_id=schedule))
    assert isinstance(much_left, Attempt)
    assert much_left.may_turns == 980


def test_no_more_is_held_back_than_its_own_turn_budget_lets_it_use(rows: Rows) -> None:
    schedule = rows.schedule(overlap="allow")
    spend(rows, schedule, turns=10)
    budget(rows, turns=100)

    assert isinstance(rows.claim(rows.firing(schedule_id=schedule, max_turns=4)), Attempt)

    assert use(rows).held_turns == 4


def test_what_runs_counts_by_what_it_has_told_if_that_is_more(rows: Rows) -> None:
    schedule = rows.schedule(overlap="allow")
    spend(rows, schedule, turns=2)
    budget(rows, turns=100)
    running = rows.claim(rows.firing(schedule_id=schedule))
    assert isinstance(running, Attempt)

    assert use(rows).held_turns == 2
    progress.tell(rows.sql, running.token, progress.Progress(50, 0, 0, 0, None))
    assert use(rows).held_turns == 50


def test_what_is_not_under_a_budget_reserves_nothing_and_leaves_what_it_used(rows: Rows) -> None:
    claimed = rows.running()
    assert rows.one("select count(*) from spend") == 0
    assert (claimed.may_turns, claimed.may_tokens, claimed.may_micros) == (None, None, None)

    spend(rows, turns=4)
    budget(rows, turns=10)

    assert use(rows).spent_turns == 4, "a new budget knows the day before it"


def test_what_is_older_than_any_day_goes(rows: Rows) -> None:
    spend(rows, turns=4)
    rows.sql.execute("update spend set at = at - interval '26 hours'")

    for _ in range(16):
        spend(rows, turns=5)

    assert set(rows.all("select turns from spend")) == {(5,)}


def test_what_was_reserved_and_not_used_goes_with_its_attempt(rows: Rows) -> None:
    budget(rows, tokens=100)
    claimed = rows.running()
    assert rows.all("select tokens, is_reserved from spend") == [(100, True)]

    rows.settle(claimed.token)

    assert rows.all("select tokens, is_reserved from spend") == []


def test_each_is_told_once_a_day(rows: Rows) -> None:
    def tell() -> bool:
        return budgets.first_to_tell(rows.sql, "fleet", "turns", 80)

    assert [tell(), tell()] == [True, False]
    rows.sql.execute("update budget_warnings set at = at - interval '24 hours'")
    assert [tell(), tell()] == [True, False]
    assert budgets.first_to_tell(rows.sql, "fleet", "turns", 100)


@pytest.mark.parametrize(
    ("key", "turns"), [("fleet", 0), ("fleet", -1), ("lane:x", 5), ("workspace:x", 5), ("fleet", None)]
)
def test_a_budget_that_cannot_be_is_refused(key: str, turns: int | None, rows: Rows) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        budgets.put(rows.sql, key, budgets.Wanted(turns, None, None), "test")
