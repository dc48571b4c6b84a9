"""Caps and their slot rows: set, lowered, raised, added and removed while firings run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from shared.store import limits
from shared.store.attempts import Attempt, Refused
from shared.store.connection import connect
from shared.store.invariants import broken
from tests.store.rows import Rows
from tests.waiting import until

# cap before, how many run, cap after: rows, held, surplus afterwards.
CHANGES = [
    (2, 0, 0, (0, 0, 0)),
    (2, 0, 5, (5, 0, 0)),
    (3, 2, 3, (3, 2, 0)),
    (3, 2, 2, (2, 2, 0)),
    (3, 2, 1, (2, 2, 1)),
    (3, 3, 0, (3, 3, 3)),
    (3, 1, 1, (1, 1, 0)),
    (1, 1, 4, (4, 1, 0)),
    (2, 2, 10_000, (10_000, 2, 0)),
]


@pytest.mark.parametrize(("before", "run", "after", "expected"), CHANGES)
def test_a_limit_has_as_many_rows_as_its_cap_and_owes_what_is_held_beyond(
    rows: Rows, before: int, run: int, after: int, expected: tuple[int, int, int]
) -> None:
    rows.cap("fleet", before)
    for _ in range(run):
        rows.running()

    rows.cap("fleet", after)

    present, held, forced, surplus = rows.slots("fleet")
    assert (present, held, surplus) == expected
    assert forced == 0
    assert not broken(rows.sql)


def test_nothing_starts_under_a_lowered_cap_until_enough_has_ended(rows: Rows) -> None:
    rows.cap("fleet", 3)
    tokens = [rows.running().token for _ in range(3)]
    waiting = rows.firing()
    rows.cap("fleet", 1)

    answers = []
    for token in tokens:
        answers.append(rows.claim(waiting))
        assert rows.settle(token)
        assert not broken(rows.sql)
    last = rows.claim(waiting)

    assert answers == [Refused("full", "fleet")] * 3
    assert isinstance(last, Attempt)
    assert rows.slots("fleet") == (1, 1, 0, 0)


def test_a_cap_raised_while_it_owes_rows_gives_those_back_first(rows: Rows) -> None:
    rows.cap("fleet", 3)
    for _ in range(3):
        rows.running()
    rows.cap("fleet", 0)

    rows.cap("fleet", 2)
    two = rows.slots("fleet")
    rows.cap("fleet", 4)

    assert two == (3, 3, 0, 1)
    assert rows.slots("fleet") == (4, 3, 0, 0)


def test_a_full_limit_is_not_an_exceeded_one(rows: Rows) -> None:
    rows.cap("fleet", 2)
    tokens = [rows.running().token for _ in range(2)]
    rows.running(forced=True)
    full = limits.exceeded(rows.sql)

    rows.sql.execute("set session_replication_role = replica")
    rows.sql.execute("update limits set cap = 1 where key = 'fleet'")

    assert (full, limits.exceeded(rows.sql), len(tokens)) == ([], ["fleet"], 2)


def test_removing_a_limit_says_whether_there_was_one(rows: Rows) -> None:
    rows.cap("lane:x", 1)

    with rows.sql.transaction():
        assert [limits.remove(rows.sql, key) for key in ("lane:x", "lane:x", "fleet")] == [True, False, False]


def test_a_forced_firing_is_no_row_of_a_cap_that_is_changed(rows: Rows) -> None:
    rows.cap("fleet", 1)
    rows.running()
    rows.running(forced=True)

    rows.cap("fleet", 3)

    assert rows.slots("fleet") == (4, 2, 1, 0)
    assert not broken(rows.sql)


def test_a_limit_added_where_firings_run_counts_them(rows: Rows) -> None:
    rows.cap("fleet", 5)
    first, second = rows.running(lane="x"), rows.running(lane="x")
    rows.running()

    rows.cap("lane:x", 1)
    added = rows.slots("lane:x")
    rows.settle(first.token)
    refused = rows.claim(rows.firing(lane="x"))
    rows.settle(second.token)

    assert added == (2, 2, 0, 1)
    assert refused == Refused("full", "lane:x")
    assert rows.slots("lane:x") == (1, 0, 0, 0)
    assert not broken(rows.sql)


def test_what_runs_under_a_removed_limit_goes_on_and_ends(rows: Rows) -> None:
    rows.cap("lane:x", 1)
    running = rows.running(lane="x")

    rows.no_cap("lane:x")
    second = rows.running(lane="x")

    assert rows.settle(running.token)
    assert rows.settle(second.token)
    assert not broken(rows.sql)


def test_a_limit_removed_and_added_again_counts_what_runs(rows: Rows) -> None:
    rows.cap("lane:x", 2)
    rows.running(lane="x")

    rows.no_cap("lane:x")
    rows.cap("lane:x", 1)

    assert rows.slots("lane:x") == (1, 1, 0, 0)


def test_the_fleet_always_has_a_cap(rows: Rows) -> None:
    rows.no_cap("fleet")

    assert limits.caps(rows.sql) == {"fleet": 2}


def test_a_cap_that_stands_already_is_not_written_again(rows: Rows) -> None:
    with rows.sql.transaction():
        changed = limits.set_cap(rows.sql, "fleet", 2, "me")

    assert not changed
    assert limits.listing(rows.sql)[0].updated_by == "default"


@pytest.mark.parametrize("cap", [-1, 10_001])
def test_a_cap_out_of_bounds_is_refused_and_leaves_nothing(rows: Rows, cap: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        rows.cap("lane:x", cap)

    assert limits.caps(rows.sql) == {"fleet": 2}


def test_a_forced_firing_takes_a_free_row_and_else_its_own(rows: Rows) -> None:
    rows.cap("fleet", 1)

    first, second = rows.running(forced=True), rows.running(forced=True)
    over = rows.slots("fleet")
    rows.settle(second.token)
    rows.settle(first.token)

    assert over == (2, 2, 1, 0)
    assert rows.slots("fleet") == (1, 0, 0, 0)


def test_a_forced_firing_is_forced_under_all_its_limits_or_none(rows: Rows) -> None:
    rows.cap("lane:x", 1)
    rows.running(lane="x")

    rows.running(lane="x", forced=True)

    assert rows.slots("lane:x") == (2, 2, 1, 0)
    assert rows.slots("fleet") == (3, 2, 1, 0)


def test_cap_zero_stops_forced_firings_too(rows: Rows) -> None:
    """SLT-9."""
    rows.cap("lane:x", 0)

    answer = rows.claim(rows.firing(lane="x", forced=True))

    assert answer == Refused("draining", "lane:x")
    assert rows.slots("fleet") == (2, 0, 0, 0)


@contextmanager
def meanwhile_lowered(rows: Rows, database_url: str, cap: int) -> Iterator[None]:
    """A transaction, at whose end another one waits that gives the fleet this cap."""
    # Not pg_stat_activity: a transaction sees that as it was when it first looked.
    waiting = "select from pg_locks where locktype = 'advisory' and not granted"

    def change() -> None:
        with connect(database_url) as other, other.transaction():
            limits.set_cap(other, "fleet", cap, "other")

    changer = threading.Thread(target=change)
    with rows.sql.transaction():
        yield
        changer.start()
        until(lambda: rows.all(waiting))
    changer.join(10)


def test_a_cap_change_waits_for_the_claims_under_way(rows: Rows, database_url: str) -> None:
    firing = rows.firing()

    with meanwhile_lowered(rows, database_url, 0):
        claimed = rows.claim(firing)

    assert isinstance(claimed, Attempt)
    assert rows.slots("fleet") == (1, 1, 0, 1)
    assert not broken(rows.sql)


def test_a_cap_change_waits_for_whoever_frees_a_slot_by_hand(rows: Rows, database_url: str) -> None:
    """What a limit owes is looked at without its row's lock: it must not begin to owe before the slot is free."""
    attempt = rows.running()
    rows.running()

    with meanwhile_lowered(rows, database_url, 1):
        rows.sql.execute(
            "update attempts set ended_at = now(), outcome = 'cancelled' where token = %s", [attempt.token]
        )
        rows.sql.execute(
            "update firings set status = 'cancelled', finished_at = now() where id = %s", [attempt.firing_id]
        )

    assert rows.slots("fleet") == (1, 1, 0, 0)
    assert not broken(rows.sql)
