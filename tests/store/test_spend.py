"""Spend of the rolling day: exact to the row, whenever it is folded, and as cheap after many attempts as after few."""

from datetime import timedelta
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.store import tallies
from shared.store.connection import Postgres
from tests.store.rows import Rows

NAIVE = """
    select coalesce(sum(turns), 0)::bigint, coalesce(sum(tokens), 0)::bigint, coalesce(sum(micros), 0)::bigint
      from spend where at > now() - interval '24 hours' and not is_reserved
       and (%(key)s = 'fleet' or %(key)s = 'workspace:' || workspace_id or %(key)s = 'schedule:' || schedule_id)
"""
ADD = """
    insert into spend (token, schedule_id, workspace_id, at, is_reserved, turns, tokens, micros)
    values (nextval('tokens'), %s, %s, now() - %s, false, %s, %s, %s)
"""
WORKSPACES = [uuid4(), uuid4()]
SCHEDULES = [uuid4(), uuid4(), None]
KEYS = ["fleet", *(f"workspace:{it}" for it in WORKSPACES), *(f"schedule:{it}" for it in SCHEDULES if it)]

# Ages crowd where it matters: around the edge of the day, and around the ends of spans.
AGES = st.one_of(
    st.integers(0, 26 * 3600),
    st.integers(24 * 3600 - 700, 24 * 3600 + 700),
    st.integers(0, 400),
).map(lambda it: timedelta(seconds=it, milliseconds=137))
SPENT = st.tuples(
    st.sampled_from(SCHEDULES), st.sampled_from(WORKSPACES), AGES, *[st.integers(0, 10**9) for _ in range(3)]
)
STEPS = st.lists(st.one_of(SPENT, st.sampled_from(["fold", "fold a few"])), max_size=40)


def told(sql: Postgres, key: str) -> tuple[int, ...]:
    row = sql.execute("select turns, tokens, micros from spend_under(%s)", [key]).fetchone()
    assert row is not None
    return row


def naive(sql: Postgres, key: str) -> tuple[int, ...]:
    row = sql.execute(NAIVE, {"key": key}).fetchone()
    assert row is not None
    return row


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_it_is_the_sum_of_the_rows_of_the_last_24_hours_however_they_are_folded(steps: list, rows: Rows) -> None:
    rows.sql.execute("delete from spend")
    rows.sql.execute("delete from spend_spans")

    for step in steps:
        if isinstance(step, str):
            tallies.fold(rows.sql, 1000 if step == "fold" else 2)
        else:
            rows.sql.execute(ADD, step)
        with rows.sql.transaction():  # one moment for both
            for key in KEYS:
                assert told(rows.sql, key) == naive(rows.sql, key), key


def test_what_is_reserved_is_never_folded(rows: Rows) -> None:
    rows.sql.execute("insert into budgets (key, turns) values ('fleet', 100)")
    running = rows.running()

    assert tallies.fold(rows.sql, 100) == (0, 0)
    assert rows.one("select held_turns from spend_under('fleet')") == 100

    rows.sql.execute("update attempts set turns = 7 where token = %s", [running.token])
    rows.settle(running.token)
    assert tallies.fold(rows.sql, 100) == (0, 1)
    assert rows.all("select turns, held_turns from spend_under('fleet')") == [(7, 0)]


def test_spans_that_are_older_than_any_day_go(rows: Rows) -> None:
    rows.sql.execute(ADD, [None, rows.workspace, timedelta(hours=26), 1, 1, 1])
    tallies.fold(rows.sql, 10)

    tallies.fold(rows.sql, 10)

    assert rows.one("select count(*) from spend_spans") == 0


def test_it_reads_as_much_after_a_hundred_thousand_attempts_as_after_a_few(rows: Rows) -> None:
    schedule = UUID(int=7)
    rows.sql.execute(
        "insert into spend (token, schedule_id, workspace_id, at, is_reserved, turns)"
        " select n, %s, %s, now() - make_interval(secs => n * 0.8), false, 1 from generate_series(1, 100000) as n",
        [schedule, rows.workspace],
    )
    while tallies.fold(rows.sql, 20_000)[1]:
        pass
    rows.sql.execute("vacuum analyze spend")
    rows.sql.execute("vacuum analyze spend_spans")

    for key in ("fleet", f"workspace:{rows.workspace}", f"schedule:{schedule}"):
        assert told(rows.sql, key) == naive(rows.sql, key)
        assert blocks(rows, key) < 60, "of more than a thousand that the rows have"


def blocks(rows: Rows, key: str) -> int:
    """How many blocks one answer reads, which no other process on the machine changes."""
    [(plan,)] = rows.all("explain (analyze, buffers, format json) select * from spend_under(%s)", key)
    return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
