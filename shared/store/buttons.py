"""What the dashboard's buttons and its table of schedules need of the rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule as the dashboard lists it."""

    id: UUID
    workspace: str
    workspace_status: str
    name: str
    kind: str
    cron: str | None
    run_at: datetime | None
    timezone: str
    lane: str | None
    status: str
    paused_reason: str | None
    paused_by: str | None
    paused_until: datetime | None
    pause_note: str | None
    next_run_at: datetime | None
    deferred_until: datetime | None
    last_run_at: datetime | None
    last_status: str | None
    last_error: str | None
    last_failure_reason: str | None
    failure_streak: int
    turn_budget_breach_streak: int
    near_lease_streak: int
    run_count: int


def schedules(connection: Postgres, wanted: str, most: int) -> list[ScheduleRow]:
    """Schedules whose name or workspace contains the wanted text, by workspace, then by name."""
    with connection.cursor(row_factory=class_row(ScheduleRow)) as cursor:
        return cursor.execute(
            """
            select s.id, w.name as workspace, w.status as workspace_status, s.name, s.kind, s.cron, s.run_at,
                   s.timezone, s.lane, s.status, s.paused_reason, s.paused_by, s.paused_until, s.pause_note,
                   s.next_run_at, s.deferred_until, s.last_run_at, s.last_status,
                   left(s.last_error, 300) as last_error, s.last_failure_reason, s.failure_streak,
                   s.turn_budget_breach_streak, s.near_lease_streak, s.run_count
              from schedules s join workspaces w on w.id = s.workspace_id
             where s.status <> 'archived'
               and (position(lower(%(wanted)s) in lower(s.name)) > 0
                    or position(lower(%(wanted)s) in lower(w.name)) > 0)
             order by s.workspace_id, s.name limit %(most)s
            """,
            {"wanted": wanted, "most": most},
        ).fetchall()


@dataclass(frozen=True)
class Runnable:
    """A schedule as a run-now copies it into a firing."""

    id: UUID
    workspace_id: UUID
    workspace: str
    workspace_status: str
    name: str
    status: str
    prompt: str
    target: dict[str, Any]
    priority: int
    lane: str | None
    max_turns: int | None
    max_run_seconds: int | None
    max_attempts: int
    retry_backoff_s: int
    revision: int
    avg_duration_ms: int | None


def runnable(connection: Postgres, schedule: UUID) -> Runnable | None:
    """A schedule that is not archived, or None."""
    with connection.cursor(row_factory=class_row(Runnable)) as cursor:
        return cursor.execute(
            """
            select s.id, s.workspace_id, w.name as workspace, w.status as workspace_status, s.name, s.status,
                   s.prompt, s.target, s.priority, s.lane, s.max_turns, s.max_run_seconds, s.max_attempts,
                   s.retry_backoff_s, s.revision, s.avg_duration_ms
              from schedules s join workspaces w on w.id = s.workspace_id
             where s.id = %s and s.status <> 'archived'
            """,
            [schedule],
        ).fetchone()


def pause(connection: Postgres, schedule: UUID, by: str, note: str | None) -> bool:
    """Pauses an active schedule; False when it is not active."""
    told = connection.execute(
        """
        update schedules
           set status = 'paused', paused_reason = 'manual', paused_by = %(by)s, pause_note = %(note)s,
               paused_until = null, updated_at = now()
         where id = %(schedule)s and status = 'active'
        """,
        {"schedule": schedule, "by": by, "note": note},
    )
    return told.rowcount == 1


@dataclass(frozen=True)
class Paused:
    """What the next occurrence of a paused schedule follows from; the row is locked."""

    workspace_id: UUID
    kind: str
    cron: str | None
    run_at: datetime | None
    timezone: str
    jitter_s: int
    start_at: datetime | None
    end_at: datetime | None
    remaining_runs: int | None
    now: datetime


def lock_paused(connection: Postgres, schedule: UUID) -> Paused | None:
    """Locks a paused schedule; None when it is not paused (any more)."""
    with connection.cursor(row_factory=class_row(Paused)) as cursor:
        return cursor.execute(
            """
            select workspace_id, kind, cron, run_at, timezone, jitter_s, start_at, end_at, remaining_runs,
                   now() as now
              from schedules where id = %s and status = 'paused' for update
            """,
            [schedule],
        ).fetchone()


def resume(connection: Postgres, schedule: UUID, next_run_at: datetime) -> list[UUID]:
    """Makes a schedule active from now on, its streaks forgotten; its firings that were held meanwhile.

    It is an edit: `next_run_at` may move back.
    """
    connection.execute(
        """
        update schedules
           set status = 'active', next_run_at = %(next)s, deferred_until = null,
               revision = revision + 1, updated_at = now(),
               paused_reason = null, paused_by = null, paused_until = null, pause_note = null,
               failure_streak = 0, turn_budget_breach_streak = 0, near_lease_streak = 0
         where id = %(schedule)s and status = 'paused'
        """,
        {"schedule": schedule, "next": next_run_at},
    )
    rows = connection.execute(
        "select id from firings where schedule_id = %s and status = 'queued'", [schedule]
    ).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True)
class Named:
    """A firing or a schedule by its name, and where it belongs."""

    title: str
    workspace_id: UUID
    schedule_id: UUID | None
    status: str


def named(connection: Postgres, known: UUID) -> Named | None:
    """The firing, else the schedule, of an id; None when there is neither."""
    with connection.cursor(row_factory=class_row(Named)) as cursor:
        return cursor.execute(
            """
            select title, workspace_id, schedule_id, status from firings where id = %(id)s
            union all
            select name, workspace_id, id, status from schedules where id = %(id)s
            """,
            {"id": known},
        ).fetchone()
