"""The workspaces as the dashboard lists them, with what they hold."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class WorkspaceRow:
    """A workspace with its counts."""

    id: UUID
    name: str
    status: str
    native_scheduler: bool
    cap: int | None
    can_restart: bool
    active_tasks: int
    current_task: str | None
    consecutive_failures: int
    last_activity_at: datetime | None
    schedules: int
    paused: int
    running: int
    waiting: int


def workspaces(connection: Postgres, most: int) -> list[WorkspaceRow]:
    """Workspaces by name; those that were removed stand last."""
    with connection.cursor(row_factory=class_row(WorkspaceRow)) as cursor:
        return cursor.execute(
            """
            select w.id, w.name, w.status, w.native_scheduler, l.cap,
                   w.restart_command is not null or w.restart_url is not null as can_restart, w.active_tasks,
                   w.current_task, w.consecutive_failures, w.last_activity_at, coalesce(s.schedules, 0) as schedules,
                   coalesce(s.paused, 0) as paused, coalesce(f.running, 0) as running, coalesce(f.waiting, 0) as waiting
              from workspaces w
              left join limits l on l.key = 'workspace:' || w.id
              left join (
                select workspace_id, count(*) as schedules, count(*) filter (where status = 'paused') as paused
                  from schedules where status <> 'archived' group by workspace_id) s on s.workspace_id = w.id
              left join (
                select workspace_id, count(*) filter (where status = 'running') as running,
                       count(*) filter (where status = 'queued') as waiting
                  from firings where status in ('queued', 'running') group by workspace_id) f on f.workspace_id = w.id
             order by w.status = 'removed', w.name limit %s
            """,
            [most],
        ).fetchall()


def names(connection: Postgres) -> list[tuple[UUID, str]]:
    """Those in which something can be scheduled, by name."""
    return connection.execute("select id, name from workspaces where status <> 'removed' order by name").fetchall()
