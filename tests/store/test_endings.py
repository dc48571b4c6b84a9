"""Endings that share a transaction write what each would have written by itself."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from shared.settings import Settings
from shared.store import progress, workspaces
from shared.store.connection import Database
from tests.store.rows import Rows
from tests.waiting import until
from workers.outcome import Outcome
from workers.settle import Settled, settle, settle_together

SETTINGS = Settings(failure_streak_limit=3, class_trip_schedules=2)
USED: dict[str, Any] = {"input_tokens": 11, "output_tokens": 13, "cost_micros": 17}
# What a schedule or an ad-hoc firing is like, and how its attempt ends.
CASES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], Outcome]] = {
    "fine": (
        {},
        {},
        Outcome(None, exit_code=0, result="a 'result' in \"quotes\", \\ and \N{SNOWMAN}", turns=3, **USED),
    ),
    "silent": ({}, {}, Outcome(None, exit_code=0)),
    "fails": (
        {"avg_duration_ms": 70000},
        {},
        Outcome("exit_nonzero", "no", exit_code=3, peak_rss_mb=1.5, remote_ref="r"),
    ),
    "its third": ({"failure_streak": 2, "near_lease_streak": 2}, {}, Outcome("oom", by="reaper")),
    "again": ({}, {"max_attempts": 3}, Outcome("exit_nonzero", "no", exit_code=3, turns=4)),
    "interrupted": ({}, {}, Outcome("interrupted", "a deploy")),
    "lost": ({}, {}, Outcome("worker_lost", "gone", by="reaper")),
    "cancelled": ({}, {}, Outcome("cancelled")),
    "heartbeat": ({"kind": "heartbeat"}, {}, Outcome(None, exit_code=0, result='{"action": "none"}', turns=2)),
    "limited": ({}, {"lane": "claude"}, Outcome("rate_limited", "429", exit_code=1)),
    "limited too": ({}, {"lane": "claude"}, Outcome("rate_limited", "429", exit_code=1)),
    "by hand": (None, {}, Outcome("oom")),
    "by hand too": (None, {}, Outcome("oom")),
}
WRITTEN = {
    "firings": "status, error, failure_reason, exit_code, result, turns, input_tokens, output_tokens, cost_micros,"
    " attempt_count, interrupted_count, not_before is not null, finished_at is not null",
    "attempts": "outcome, failure_reason, exit_code, turns, input_tokens, output_tokens, cost_micros, peak_rss_mb,"
    " remote_ref, ended_at is not null, exited_at is not null",
    "schedules": "run_count, last_status, last_error, last_failure_reason, last_turn_count, failure_streak,"
    " turn_budget_breach_streak, near_lease_streak, held_streak, suppression_count, avg_turns_per_firing,"
    " avg_duration_ms / 20000, status, paused_reason, paused_by, pause_note, last_run_at is not null,"
    " last_success_at is not null, turns_today",
    "schedule_firing_metrics": "turn_count, max_turns_at_firing, event_loop_lag_ms, peak_rss_mb, interactive_streams,"
    " failure_reason, slot_wait_ms between 0 and 60000, duration_ms between 60000 and 120000",
    "activity_logs": "type, status, actor, request_body - '{schedule_id,firing_id,nominal_at,token,key}'::text[],"
    " error_detail, duration_ms between 60000 and 120000",
    "alerts": "kind, title, body",
}
OF = {"schedules": "id = f.schedule_id", "firings": "id = f.id"}


def start(rows: Rows, lane: str) -> dict[str, int]:
    """A run of each case in a workspace of their own; its token."""
    values = {"name": lane, "status": "online", "native_scheduler": False, "health_url": None, "restart_url": None}
    there = Rows(rows.sql, workspaces.add(rows.sql, values))
    rows.sql.execute(
        "insert into processes (id, kind, node, boot_id, pid, pid_start, facts)"
        " values ('w1', 'worker', 'n', 'b', 1, 1, '{\"lag_ms\": 2.5}') on conflict do nothing"
    )
    tokens: dict[str, int] = {}
    for title, (of_schedule, over, _) in CASES.items():
        schedule = None if of_schedule is None else there.schedule(name=title, **of_schedule)
        lanes = {"lane": f"{over['lane']} {lane}"} if "lane" in over else {}
        run = there.running(title=title, schedule_id=schedule, **{**over, **lanes})
        progress.tell(rows.sql, run.token, progress.Progress(1, 2, 3, 4, None))
        tokens[title] = run.token
    rows.sql.execute("update attempts set claimed_at = now() - interval '90 s' where ended_at is null")
    return tokens


def written(rows: Rows, token: int) -> dict[str, list[Any]]:
    """Of one firing, without what differs from run to run."""
    found: dict[str, list[Any]] = {}
    for table, columns in WRITTEN.items():
        of = OF.get(table, "firing_id = f.id")
        query = f"select {columns} from {table} t where exists (select from firings f where token = %s and t.{of})"
        found[table] = sorted(rows.all(query, token), key=str)
    return found


def told(settled: Settled) -> tuple[Any, ...]:
    return settled.answer, settled.status, settled.reason, len(settled.classes)


def test_a_page_writes_what_its_endings_would_have_written_one_after_the_other(rows: Rows, database_url: str) -> None:
    rows.cap("fleet", 100)
    database = Database(database_url)
    together, alone = start(rows, "together"), start(rows, "alone")

    of_page = settle_together(database, [(together[it], CASES[it][2]) for it in CASES], SETTINGS, 1)
    of_each = [settle(database, alone[it], CASES[it][2], SETTINGS, 1) for it in CASES]
    database.close()

    assert [told(it) for it in of_page] == [told(it) for it in of_each]
    assert {told(it)[:2] for it in of_page} == {("ok", it) for it in ("completed", "failed", "queued", "cancelled")}
    for title in CASES:
        assert written(rows, together[title]) == written(rows, alone[title]), title
    tripped = rows.all("select reason, schedules from failure_classes where healed_at is null")
    assert tripped == [("rate_limited", 2)] * 2
    assert rows.all("select distinct event_loop_lag_ms from schedule_firing_metrics") == [(2.5,)]
    assert slots_of(rows, [*together.values(), *alone.values()]) == 0


@pytest.mark.parametrize("with_schedule", [True, False])
def test_an_ending_is_the_same_statements_whatever_its_numbers(
    rows: Rows, database_url: str, with_schedule: bool
) -> None:
    """Else a connection that lives for weeks has a hundred of the same, each with a plan of its own."""
    database = Database(database_url)
    sizes = (None, 3, 40_000, 5_000_000_000)
    for size in sizes:
        used: dict[str, Any] = {"input_tokens": size, "output_tokens": size, "cost_micros": size}
        turns, lasts = size and min(size, 40_000), size and size / 3
        about = {"schedule_id": rows.schedule(name=str(size))} if with_schedule else {}
        outcome = Outcome(None, exit_code=size and 0, turns=turns, peak_rss_mb=lasts, **used)
        settle(database, rows.running(**about).token, outcome, SETTINGS, turns)
    prepared = database.connection().execute(
        "select count(*), count(distinct statement) from pg_prepared_statements where name like 'together%'"
    )
    (all_of_them, different) = prepared.fetchone() or (0, 0)
    database.close()

    assert all_of_them == different > 5
    assert rows.all("select input_tokens, cost_micros, turns, peak_rss_mb is null from attempts order by token") == [
        (size, size, min(size or 0, 40_000), size is None) for size in sizes
    ]


def slots_of(rows: Rows, tokens: list[int]) -> int:
    return rows.one("select count(*) from slots where token = any(%s)", tokens)


def test_what_failed_without_a_schedule_in_one_workspace_is_one_alert(rows: Rows, database_url: str) -> None:
    database = Database(database_url)
    ends = [(rows.running(title=title).token, Outcome("oom")) for title in ("first", "second")]

    settle_together(database, ends, SETTINGS)
    database.close()

    assert rows.all("select kind, title from alerts") == [
        ("failed_after_last_attempt", "first failed after its only attempt")
    ]


@pytest.mark.parametrize("reason", ["rate_limited", None])
def test_whoever_ends_takes_its_class_before_its_workspace(rows: Rows, database_url: str, reason: str | None) -> None:
    """A probe that fails beside a firing that completes: each would have what the other one waits for."""
    run = rows.running(schedule_id=rows.schedule())
    rows.sql.execute(
        "insert into failure_classes (key, reason, place, tripped_at, probe_id)"
        " select 'rate_limited@' || place, 'rate_limited', place, now(), id from firings"
    )
    # Not pg_stat_activity, which stays the same within a transaction.
    waits = "select count(*) from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    database = Database(database_url)

    def ends() -> Settled:
        try:
            return settle(database, run.token, Outcome(reason), SETTINGS)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        with rows.sql.transaction():
            rows.sql.execute("select from failure_classes for update")
            settled = pool.submit(ends)
            until(lambda: rows.one(waits) == 1)
            rows.sql.execute("select from workspaces for update nowait")
        assert settled.result().answer == "ok"
    assert rows.all("select probes, healed_at is not null from failure_classes") == [(int(bool(reason)), not reason)]


def test_a_page_that_is_settled_again_writes_nothing_again(rows: Rows, database_url: str) -> None:
    database = Database(database_url)
    schedule: UUID = rows.schedule()
    ends = [
        (rows.running(schedule_id=schedule).token, Outcome(None, exit_code=0)),
        (rows.running().token, Outcome(None)),
    ]

    first = settle_together(database, ends, SETTINGS)
    again = settle_together(database, ends, SETTINGS)
    database.close()

    assert [it.answer for it in (*first, *again)] == ["ok", "ok", "already", "already"]
    assert rows.one("select run_count from schedules") == 1
    assert rows.one("select count(*) from activity_logs") == 2
