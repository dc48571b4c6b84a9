"""Schedules: made, found, listed; how they are changed is in schedule_edits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres

# What a person writes; the rest of a row is what became of it.
WRITABLE = [
    "workspace_id",
    "name",
    "kind",
    "cron",
    "run_at",
    "timezone",
    "prompt",
    "target",
    "priority",
    "lane",
    "overlap",
    "missed",
    "start_deadline_s",
    "jitter_s",
    "start_at",
    "end_at",
    "remaining_runs",
    "max_turns",
    "max_run_seconds",
    "max_attempts",
    "retry_backoff_s",
    "daily_turn_budget",
    "budget_turns",
    "budget_tokens",
    "budget_micros",
    "success_check",
    "alert_after_s",
]


@dataclass(frozen=True)
class Schedule:
    """A schedule as people see it."""

    id: UUID
    workspace_id: UUID
    workspace: str
    name: str
    kind: str
    cron: str | None
    run_at: datetime | None
    timezone: str
    prompt: str
    target: dict[str, Any]
    priority: int
    lane: str | None
    overlap: str
    missed: str
    start_deadline_s: int | None
    jitter_s: int
    start_at: datetime | None
    end_at: datetime | None
    remaining_runs: int | None
    max_turns: int | None
    max_turns_set_at: datetime | None
    max_run_seconds: int | None
    max_attempts: int
    retry_backoff_s: int
    daily_turn_budget: int | None
    budget_turns: int | None
    budget_tokens: int | None
    budget_micros: int | None
    success_check: dict[str, Any] | None
    alert_after_s: int | None
    status: str
    paused_reason: str | None
    paused_by: str | None
    paused_until: datetime | None
    pause_note: str | None
    next_run_at: datetime | None
    skip_next_at: datetime | None
    deferred_until: datetime | None
    last_run_at: datetime | None
    run_count: int
    last_status: str | None
    last_error: str | None
    last_failure_reason: str | None
    failure_streak: int
    turn_budget_breach_streak: int
    near_lease_streak: int
    held_streak: int
    suppression_count: int
    last_turn_count: int | None
    avg_turns_per_firing: int | None
    avg_duration_ms: int | None
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Filter:
    """Which schedules to list; None means any, of status: any but archived."""

    workspace: UUID | None = None
    name: str | None = None
    status: str | None = None
    after: UUID | None = None


_SELECT = """
    select s.id, s.workspace_id, w.name as workspace, s.name, s.kind, s.cron, s.run_at, s.timezone, s.prompt,
           s.target, s.priority, s.lane, s.overlap, s.missed, s.start_deadline_s, s.jitter_s, s.start_at, s.end_at,
           s.remaining_runs, s.max_turns, s.max_turns_set_at, s.max_run_seconds, s.max_attempts, s.retry_backoff_s,
           s.daily_turn_budget, s.budget_turns, s.budget_tokens, s.budget_micros, s.success_check, s.alert_after_s,
           s.status, s.paused_reason, s.paused_by, s.paused_until, s.pause_note, s.next_run_at, s.skip_next_at,
           s.deferred_until,
           s.last_run_at, s.run_count, s.last_status, s.last_error, s.last_failure_reason, s.failure_streak,
           s.turn_budget_breach_streak, s.near_lease_streak, s.held_streak, s.suppression_count, s.last_turn_count,
           s.avg_turns_per_firing, s.avg_duration_ms, s.revision, s.created_at, s.updated_at
      from schedules s join workspaces w on w.id = s.workspace_id
"""


def get(connection: Postgres, schedule: UUID) -> Schedule | None:
    """One schedule, or None."""
    with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(_SELECT + " where s.id = %s", [schedule]).fetchone()


def lock(connection: Postgres, schedule: UUID) -> Schedule | None:
    """One schedule, and nobody else changes it before this transaction ends."""
    with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(_SELECT + " where s.id = %s for update of s", [schedule]).fetchone()


def lock_ended_pauses(connection: Postgres, most: int) -> list[Schedule]:
    """Paused schedules whose pause was until a moment that has come, and that nobody else has locked."""
    with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(
            _SELECT
            + """
             where s.status = 'paused' and s.paused_until <= now()
             order by s.paused_until limit %s for update of s skip locked
            """,
            [most],
        ).fetchall()


def page(connection: Postgres, wanted: Filter, most: int) -> list[Schedule]:
    """Schedules in the order they were made; `after` is the last one of the page before."""
    with connection.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(
            _SELECT
            + """
             where (%(workspace)s::uuid is null or s.workspace_id = %(workspace)s)
               and (%(name)s::text is null or s.name = %(name)s)
               and (%(after)s::uuid is null or s.id > %(after)s)
               and case when %(status)s::text is null then s.status <> 'archived' else s.status = %(status)s end
             order by s.id limit %(most)s
            """,
            {**vars(wanted), "most": most},
        ).fetchall()


def id_of(connection: Postgres, workspace: UUID, name: str) -> UUID | None:
    """The schedule that has this name in a workspace now."""
    row = connection.execute(
        "select id from schedules where workspace_id = %s and name = %s and status <> 'archived'", [workspace, name]
    ).fetchone()
    return None if row is None else row[0]


def now(connection: Postgres) -> datetime:
    """Postgres's clock, which decides when schedules run."""
    row = connection.execute("select now()").fetchone()
    assert row is not None
    return row[0]


def add(connection: Postgres, schedule: UUID, values: Mapping[str, Any], next_run_at: datetime) -> None:
    """Writes a schedule: its writable columns, and when it is due first."""
    connection.execute(
        """
        insert into schedules (
          id, workspace_id, name, kind, cron, run_at, timezone, prompt, target, priority, lane, overlap, missed,
          start_deadline_s, jitter_s, start_at, end_at, remaining_runs, max_turns, max_run_seconds, max_attempts,
          retry_backoff_s, daily_turn_budget, budget_turns, budget_tokens, budget_micros, success_check,
          alert_after_s, next_run_at, timing_since)
        values (
          %(id)s, %(workspace_id)s, %(name)s, %(kind)s, %(cron)s, %(run_at)s, %(timezone)s, %(prompt)s, %(target)s,
          %(priority)s, %(lane)s, %(overlap)s, %(missed)s, %(start_deadline_s)s, %(jitter_s)s, %(start_at)s,
          %(end_at)s, %(remaining_runs)s, %(max_turns)s, %(max_run_seconds)s, %(max_attempts)s,
          %(retry_backoff_s)s, %(daily_turn_budget)s, %(budget_turns)s, %(budget_tokens)s, %(budget_micros)s,
          %(success_check)s, %(alert_after_s)s, %(next_run_at)s, now())
        """,
        {**as_columns(values), "id": schedule, "next_run_at": next_run_at},
    )


def as_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the writable columns as the driver takes them."""
    check = values["success_check"]
    return {**values, "target": Jsonb(values["target"]), "success_check": None if check is None else Jsonb(check)}
