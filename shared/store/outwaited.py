"""Firings that waited for their workspace for longer than they may, cancelled in bounded batches."""

from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Outwaited:
    """A firing that waited too long, and the status of the workspace that it waited for."""

    firing_id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    workspace_status: str


def cancel(connection: Postgres, most: int) -> list[Outwaited]:
    """Cancels firings of schedules with a start deadline that waited so long for a workspace that is not there.

    What waits in a removed one is cancelled too: a run by hand may have been written as it went. Time in line for
    a slot does not count, so the wait begins with the workspace's status where that is the later. What a person
    asked for waits on, and so does everything in a paused workspace.
    """
    with connection.cursor(row_factory=class_row(Outwaited)) as cursor:
        return cursor.execute(
            """
            with late as (
              select f.id, w.status from workspaces w
                join firings f on f.workspace_id = w.id and f.status = 'queued'
                left join schedules s on s.id = f.schedule_id
               where w.status = 'removed'
                  or (w.status in ('provisioning', 'offline', 'awaiting_agent', 'hibernating', 'hibernated')
                      and f.source in ('scheduled', 'heartbeat')
                      and greatest(f.queued_at, w.status_at) + make_interval(secs => s.start_deadline_s) < now())
               order by f.line_no limit %s
                 for update of f skip locked)
            update firings f
               set status = 'cancelled', finished_at = now(),
                   failure_reason = case late.status when 'removed' then 'cancelled' else 'workspace_unavailable' end
              from late where f.id = late.id and f.status = 'queued'
            returning f.id as firing_id, f.schedule_id, f.workspace_id, late.status as workspace_status
            """,
            [most],
        ).fetchall()
