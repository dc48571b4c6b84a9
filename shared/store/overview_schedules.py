"""The schedules as the dashboard lists them, each with its recent firings in small."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Wanted:
    """Which schedules: those whose name or workspace contains the text, in a state, of a workspace; which part."""

    text: str = ""
    state: str = ""
    workspace: UUID | None = None
    most: int = 50
    offset: int = 0


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule as the dashboard lists it.

    `recent` are its last firings, newest first, as [status, seconds]; `found` is how many there are on all parts.
    """

    id: UUID
    workspace_id: UUID
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
    skip_next_at: datetime | None
    last_run_at: datetime | None
    last_status: str | None
    last_error: str | None
    last_failure_reason: str | None
    failure_streak: int
    turn_budget_breach_streak: int
    near_lease_streak: int
    run_count: int
    recent: list[list[Any]]
    found: int


def schedules(connection: Postgres, wanted: Wanted) -> list[ScheduleRow]:
    """One part of them, by workspace, then by name."""
    with connection.cursor(row_factory=class_row(ScheduleRow)) as cursor:
        return cursor.execute(
            """
            with found as (
              select s.id, w.name as workspace, w.status as workspace_status, s.name
                from schedules s join workspaces w on w.id = s.workspace_id
               where s.status <> 'archived'
                 and (position(lower(%(text)s) in lower(s.name)) > 0 or position(lower(%(text)s) in lower(w.name)) > 0)
                 and (%(workspace)s::uuid is null or s.workspace_id = %(workspace)s)
                 and case %(state)s
                       when 'active' then s.status = 'active'
                       when 'paused' then s.status = 'paused'
                       when 'failing' then s.last_status = 'error' or s.turn_budget_breach_streak > 0
                       else true end),
            shown as (select * from found order by workspace, name, id limit %(most)s offset %(offset)s)
            select s.id, s.workspace_id, f.workspace, f.workspace_status, s.name, s.kind, s.cron, s.run_at, s.timezone,
                   s.lane, s.status, s.paused_reason, s.paused_by, s.paused_until, s.pause_note, s.next_run_at,
                   s.deferred_until, s.skip_next_at, s.last_run_at, s.last_status,
                   left(s.last_error, 300) as last_error, s.last_failure_reason, s.failure_streak,
                   s.turn_budget_breach_streak, s.near_lease_streak, s.run_count,
                   coalesce(r.recent, '[]') as recent, (select count(*) from found) as found
              from shown f
              join schedules s on s.id = f.id
              left join lateral (
                select jsonb_agg(jsonb_build_array(status, extract(epoch from finished_at - started_at))) as recent
                  from (select status, started_at, finished_at from firings
                         where schedule_id = s.id order by queued_at desc limit 16) newest) r on true
             order by f.workspace, f.name, f.id
            """,
            vars(wanted),
        ).fetchall()
