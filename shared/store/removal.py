"""How a workspace goes: what waits in it is cancelled, what runs aborted, its schedules archived (WSP-2)."""

from dataclasses import dataclass
from uuid import UUID

from shared.store.connection import Postgres
from shared.store.epoch import shut_admission


@dataclass(frozen=True)
class Removed:
    """What the removal ended: whether the row itself is gone, firings that waited, and (firing, request) that run."""

    deleted: bool
    cancelled: list[UUID]
    aborting: list[tuple[UUID, UUID]]


def remove_workspace(connection: Postgres, workspace: UUID, reason: str) -> Removed:
    """Deletes a workspace in which nothing ever was, else makes it `removed` and ends what is in it.

    Takes admission's lock alone, before any other, so call it first in a short transaction: a claim or a settle
    under way holds a firing and comes to the workspace last, this comes the other way. Schedules go before
    firings: a tick that has locked one is waited for, and what it made is then there to be cancelled.
    """
    shut_admission(connection)
    gone = connection.execute(
        """
        delete from workspaces where id = %(id)s
           and not exists (select from schedules where workspace_id = %(id)s)
           and not exists (select from firings where workspace_id = %(id)s)
           and not exists (select from api_tokens where workspace_id = %(id)s)
           and not exists (select from restarts where workspace_id = %(id)s)
        """,
        {"id": workspace},
    )
    if gone.rowcount:
        return Removed(True, [], [])
    connection.execute("update workspaces set status = 'removed', updated_at = now() where id = %s", [workspace])
    connection.execute(
        """
        update schedules set status = 'archived', next_run_at = null, deferred_until = null, updated_at = now()
         where workspace_id = %s and status <> 'archived'
        """,
        [workspace],
    )
    return Removed(False, _cancel_queued(connection, workspace, reason), _abort(connection, workspace, reason))


def _cancel_queued(connection: Postgres, workspace: UUID, reason: str) -> list[UUID]:
    rows = connection.execute(
        """
        update firings set status = 'cancelled', finished_at = now(), failure_reason = %(reason)s
         where workspace_id = %(workspace)s and status = 'queued'
        returning id
        """,
        {"workspace": workspace, "reason": reason},
    ).fetchall()
    return [row[0] for row in rows]


def _abort(connection: Postgres, workspace: UUID, reason: str) -> list[tuple[UUID, UUID]]:
    rows = connection.execute(
        """
        update attempts a
           set abort_requested_at = coalesce(a.abort_requested_at, now()),
               abort_reason = coalesce(a.abort_reason, %(reason)s)
          from firings f
         where f.workspace_id = %(workspace)s and f.status = 'running' and a.firing_id = f.id and a.ended_at is null
        returning a.firing_id, a.request_id
        """,
        {"workspace": workspace, "reason": reason},
    ).fetchall()
    return [(row[0], row[1]) for row in rows]
