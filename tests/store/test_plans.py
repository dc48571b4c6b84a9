"""The plans of statements that run all the time: each names the index that it was made for."""

from datetime import timedelta
from typing import Any

import pytest

from shared.rules.endings import Becomes, Report
from shared.store import attempts, due, firings, settlement
from shared.store.due import LOCK_DUE
from shared.store.endings import Endings
from shared.store.together import sent_together
from tests.store.rows import LEASE, Rows, end_attempt

MANY_SCHEDULES = """
    insert into schedules (id, workspace_id, name, cron, target, next_run_at)
    select gen_random_uuid(), %s, n::text, '0 3 * * *', '{}', now() + make_interval(mins => n)
      from generate_series(1, 10000) as n
"""
# History as it is after months: no trigger looks at it.
MANY_ATTEMPTS = """
    insert into attempts (firing_id, number, token, request_id, worker, claimed_at, heartbeat_expires_at, lease_ms,
                          run_expires_at, ended_at, outcome)
    select id, 1, nextval('tokens'), gen_random_uuid(), '{}', now(), now(), 1, now(), now(), 'cancelled' from firings
"""
MANY_ENDED = """
    with born as (
      insert into firings (id, workspace_id, source, nominal_at, title, target, max_run_seconds)
      select gen_random_uuid(), %s, 'adhoc', now(), 't', '{}', 9 from generate_series(1, 5000) returning id)
    select count(*) from born
"""
MANY_ALERTS = """
    insert into alerts (id, dedupe_key, kind, title, body)
    select gen_random_uuid(), 'k' || n, 'k', 't', 'b' from generate_series(1, 500) as n
"""
REMEMBERED = (
    *("last_status", "error", "reason", "turns", "failure_streak", "breach_streak", "near_lease_streak"),
    *("held_streak", "suppressed", "avg_turns", "avg_duration_ms"),
)
READ = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = %s"


def plan(rows: Rows, query: str, values: dict[str, Any]) -> str:
    lines = rows.sql.execute(
        f"explain (costs off) {query}",  # pyright: ignore[reportArgumentType]
        values,
    ).fetchall()
    return "\n".join(line for (line,) in lines)


def test_ten_thousand_schedules_of_which_none_is_due_are_not_read(rows: Rows) -> None:
    rows.sql.execute(MANY_SCHEDULES, [rows.workspace])
    rows.sql.execute("analyze")

    told = plan(rows, LOCK_DUE, {"most": 2000})

    assert "schedules_due" in told
    assert "Seq Scan on schedules" not in told


def test_a_tick_of_many_schedules_reads_none_that_is_not_due(rows: Rows) -> None:
    """Each is read a few times; to go through all of them would cost the planner less."""
    rows.sql.execute(MANY_SCHEDULES, [rows.workspace])
    rows.sql.execute("update schedules set prompt = repeat('x', 1500)")
    rows.sql.execute("vacuum analyze schedules")
    rows.sql.execute("update schedules set next_run_at = '2026-01-01', revision = 2 where name::int % 10 = 0")

    with rows.sql.transaction():
        before = rows.one(READ, "schedules")
        locked = due.lock_due(rows.sql, 2000)
        move = due.Move(locked[0].next_run_at + timedelta(days=999), (locked[0].next_run_at,))
        made = due.advance(rows.sql, {move: [one for it in locked for one in it.ids]}, due.Terms(None, 60), sure=True)
        read = rows.one(READ, "schedules") - before

    assert len(made.written) == 1000
    assert read < 5000


def test_schedules_that_were_applied_at_once_fire_within_the_pages_that_they_have(rows: Rows) -> None:
    """A page that is full has no room for what the tick changes: the table is written anew at its end."""
    rows.sql.execute(MANY_SCHEDULES.replace("now() +", "now() -"), [rows.workspace])
    pages = "select pg_relation_size('schedules') / 8192"
    before = rows.one(pages)

    with rows.sql.transaction():
        locked = due.lock_due(rows.sql, 10_000)
        move = due.Move(locked[0].next_run_at + timedelta(days=999), (locked[0].next_run_at,))
        them = [one for it in locked for one in it.ids]
        due.advance(rows.sql, {move: them}, due.Terms(None, 60), sure=True)

    assert len(them) == 10_000
    assert rows.one(pages) < before * 1.02


def test_queued_running_and_live_ones_are_found_among_thousands_that_ended(rows: Rows) -> None:
    rows.sql.execute(MANY_ENDED, [rows.workspace])
    rows.sql.execute("update firings set status = 'cancelled', finished_at = now()")
    rows.running()
    rows.firing()
    rows.sql.execute("vacuum analyze firings")

    plans = {
        "firings_queued": "select id from firings where status = 'queued' and line_no > 9 order by line_no limit 9",
        "firings_by_token": "select from firings where token = 99 and status = 'running'",
    }

    for index, query in plans.items():
        assert index in plan(rows, query, {}), query


@pytest.mark.parametrize("becomes", [Becomes("completed", "completed"), Becomes("queued", "requeued")])
def test_the_end_of_a_run_reads_no_other_though_statistics_say_that_nothing_runs(rows: Rows, becomes: Becomes) -> None:
    """They are of a quiet hour; by now ten thousand may run or wait, and each ends so. What runs is counted."""
    rows.cap("fleet", 200)
    rows.sql.execute(MANY_ENDED, [rows.workspace])
    rows.sql.execute("update firings set status = 'cancelled', finished_at = now()")
    rows.sql.execute("vacuum analyze firings")
    run = [rows.running(max_attempts=2, schedule_id=rows.schedule()) for _ in range(100)][50]
    for _ in range(200):
        rows.firing()

    with rows.sql.transaction():
        before = rows.one(READ, "firings")
        ended = settlement.lock_endings(rows.sql, [run.token]).get(run.token)
        assert ended is not None
        assert end_attempt(rows.sql, ended, becomes, Report(None))
        rows.sql.execute("set constraints all immediate")
        read = rows.one(READ, "firings") - before

    assert 100 <= read < 150


@pytest.mark.parametrize("deed", ["settle", "renew"])
def test_an_attempt_is_found_by_its_token_though_statistics_say_that_there_is_none(rows: Rows, deed: str) -> None:
    """They are of an hour before the first firing, and a plan that goes through all is cheap then, and is kept."""
    rows.cap("fleet", 100)
    rows.sql.execute(MANY_ENDED, [rows.workspace])
    rows.sql.execute("set session_replication_role = 'replica'")
    rows.sql.execute("update firings set status = 'cancelled', finished_at = now()")
    rows.sql.execute(MANY_ATTEMPTS)
    rows.sql.execute("set session_replication_role = 'origin'")
    rows.sql.execute("vacuum analyze")
    tokens = [rows.running(schedule_id=rows.schedule(), max_run_seconds=90).token for _ in range(100)]

    with rows.sql.transaction():
        before = rows.one(READ, "attempts")
        if deed == "renew":
            attempts.renew(rows.sql, tokens[50:53], LEASE)
        else:
            ended = settlement.lock_endings(rows.sql, [tokens[50]]).get(tokens[50])
            assert ended is not None
            assert end_attempt(rows.sql, ended, Becomes("completed", "completed"), Report(None))
            rows.sql.execute("set constraints all immediate")
        read = rows.one(READ, "attempts") - before

    assert read < 30


@pytest.mark.parametrize("together", [1, 2])
def test_a_settle_planned_while_there_was_little_reads_no_more_once_there_is_much(rows: Rows, together: int) -> None:
    """A worker's plans are kept, and the first ones are of the day of its installation."""
    rows.cap("fleet", 300)
    rows.sql.execute("set enable_seqscan = off")  # as a worker's connections have it
    read: list[dict[str, int]] = []
    for many in (4, 250):
        tokens = [rows.running(schedule_id=rows.schedule(), max_run_seconds=90).token for _ in range(many)]
        rows.sql.execute("vacuum analyze") if many == 4 else rows.sql.execute(MANY_ALERTS)
        with sent_together(rows.sql):
            before = {it: rows.one(READ, it) for it in ("attempts", "schedules", "alerts")}
            page = Endings()
            for ended in settlement.lock_endings(rows.sql, tokens[-together:]).values():
                assert ended.schedule_id is not None
                page.end(ended, Becomes("failed", "failed"), Report("oom"))
                page.remember(
                    ended.schedule_id,
                    {**dict.fromkeys(REMEMBERED, 0), "last_status": "error"},
                )
                page.pause(ended.schedule_id, "failure_streak", "note")
                page.tell(ended, "kind", "title", "body")
            page.write(rows.sql)
            rows.sql.execute("set constraints all immediate")
            read.append({it: rows.one(READ, it) - before[it] for it in before})

    assert rows.one("select count(*) from firings where status = 'failed'") == 2 * together
    for table in read[0]:
        assert read[1][table] < read[0][table] + 20, table


def test_of_hundreds_that_wait_of_a_schedule_those_in_front_are_looked_at(rows: Rows) -> None:
    """What may not start yet is passed over; who asks for two schedules at once is told of both."""
    rows.sql.execute(MANY_ENDED, [rows.workspace])
    rows.sql.execute("update firings set status = 'cancelled', finished_at = now()")
    one, other, idle = rows.schedule(), rows.schedule(), rows.schedule()
    late, first, *_ = [rows.firing(schedule_id=one) for _ in range(200)]
    rows.sql.execute("update firings set not_before = now() + interval '1 h' where id = %s", [late])
    [only] = [rows.firing(schedule_id=other)]
    rows.sql.execute("vacuum analyze")

    with rows.sql.transaction():
        before = rows.one(READ, "firings")
        found = firings.startable_of(rows.sql, [other, one, idle, one])
        read = rows.one(READ, "firings") - before

    assert [it.id for it in found] == [first, only]
    assert read < 20


def test_of_what_waits_while_its_schedule_is_paused_only_what_no_pause_holds_is_looked_at(rows: Rows) -> None:
    schedules = {}
    for free in ({"forced": True}, {"source": "rerun"}):
        schedule = rows.schedule()
        of_it = [rows.firing(schedule_id=schedule, **(free if n in (60, 61) else {})) for n in range(100)]
        schedules[schedule] = of_it[60]
    rows.sql.execute("update schedules set status = 'paused', paused_reason = 'failure_streak'")
    rows.sql.execute("vacuum analyze")

    with rows.sql.transaction():
        before = rows.one(READ, "firings")
        found = firings.startable_of(rows.sql, list(schedules))
        read = rows.one(READ, "firings") - before

    assert {it.id for it in found} == set(schedules.values())
    assert read < 200 + 10


def test_a_free_slot_is_found_among_ten_thousand_held_or_free(rows: Rows) -> None:
    rows.cap("fleet", 10_000)
    rows.sql.execute("vacuum analyze slots")

    told = plan(
        rows,
        "select number from slots where limit_key = 'fleet' and token is null order by number limit 1"
        " for update skip locked",
        {},
    )

    assert "slots_free" in told


def test_a_claim_finds_out_without_reading_every_schedule_that_none_has_a_budget(rows: Rows) -> None:
    rows.sql.execute(MANY_SCHEDULES, [rows.workspace])
    rows.sql.execute("analyze")

    told = plan(
        rows,
        "select * from budgets_in_force x where x.key in ('fleet', 'workspace:' || %(id)s, 'schedule:' || %(id)s)",
        {"id": str(rows.workspace)},
    )

    assert "schedules_with_budget" in told
    assert "Seq Scan on schedules" not in told


def test_a_settle_finds_its_rows_among_thousands_whatever_the_number_of_tokens(rows: Rows) -> None:
    """Planned once for any tokens, as `lock_for_endings` asks for."""
    rows.sql.execute(MANY_ENDED, [rows.workspace])
    rows.sql.execute("update firings set status = 'cancelled', finished_at = now()")
    rows.running()
    rows.sql.execute("vacuum analyze firings")
    rows.sql.execute("set plan_cache_mode = 'force_generic_plan'")
    rows.sql.execute(
        "prepare locking (bigint[]) as select from firings"
        " where id in (select firing_id from attempts where token = any($1)) order by id for update"
    )

    told = plan(rows, "execute locking ('{1, 2, 3}')", {})

    assert "Seq Scan on firings" not in told
    assert "firings_pkey" in told


def test_no_table_has_an_index_twice(rows: Rows) -> None:
    """A direction is none of its own: an index is read from either end."""
    alike = """
        select array_agg(indexrelid::regclass::text) from pg_index
         where indrelid in (select oid from pg_class where relnamespace = current_schema()::regnamespace)
         group by indrelid, indkey::text, indclass::text,
                  pg_get_expr(indpred, indrelid), pg_get_expr(indexprs, indrelid)
        having count(*) > 1
    """

    assert rows.all(alike) == []


def test_the_oldest_activity_is_found_from_the_other_end_of_the_newest(rows: Rows) -> None:
    rows.sql.execute("insert into activity_logs (type, actor) select 't', 'a' from generate_series(1, 5000)")
    rows.sql.execute("analyze activity_logs")

    told = plan(rows, "select id from activity_logs where at < now() order by at limit 500", {})

    assert "Index Scan Backward using activity_newest" in told
