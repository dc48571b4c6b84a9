"""The schedules as the dashboard lists them."""

from dataclasses import dataclass
from datetime import datetime
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
