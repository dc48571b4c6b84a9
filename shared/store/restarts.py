"""Restarts of workspaces: one runs, at most one more is wanted, and both stand in one row."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Asked:
    """The number of the restart that serves who asked; whether one runs now, or ran and its process is lost;
    whether this call wanted it first."""

    number: int
    running: bool
    lost: bool
    first: bool


@dataclass(frozen=True)
class Restart:
    """The restarts of a workspace as they stand; `outcome` and what follows are of the one that ended last."""

    workspace_id: UUID
    begun: int
    ended: int
    running: bool
    lost: bool
    pending: bool
    outcome: str | None
    error: str | None
    duration_ms: int | None
    began_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Begun:
    """A restart that is ours to run."""

    workspace_id: UUID
    number: int


@dataclass(frozen=True)
class End:
    """How a restart ended: `ok`, `failed` or `lost`."""

    outcome: str
    error: str | None
    duration_ms: int | None


def ask(connection: Postgres, workspace: UUID) -> Asked:
    """Wants one restart that begins from now on, however many want it."""
    with connection.cursor(row_factory=class_row(Asked)) as cursor:
        asked = cursor.execute(
            """
            insert into restarts (workspace_id, pending, requested_at)
            values (%(workspace)s, true, clock_timestamp())
            on conflict (workspace_id) do update
              set pending = true,
                  requested_at = case when restarts.pending then restarts.requested_at else excluded.requested_at end
            returning begun + 1 as number, coalesce(running_until > clock_timestamp(), false) as running,
                      coalesce(running_until <= clock_timestamp(), false) as lost,
                      requested_at >= statement_timestamp() as first
            """,
            {"workspace": workspace},
        ).fetchone()
    assert asked is not None
    return asked


def begin(connection: Postgres, workspace: UUID, by: str, lease: timedelta) -> Begun | None:
    """Takes the restart that is wanted, if none runs; None when there is nothing to do."""
    with connection.cursor(row_factory=class_row(Begun)) as cursor:
        return cursor.execute(
            """
            update restarts
               set pending = false, running_by = %(by)s, running_until = clock_timestamp() + %(lease)s,
                   begun = begun + 1, began_at = clock_timestamp()
             where workspace_id = %(workspace)s and pending and running_by is null
            returning workspace_id, begun as number
            """,
            {"workspace": workspace, "by": by, "lease": lease},
        ).fetchone()


def end(connection: Postgres, begun: Begun, told: End) -> bool | None:
    """Writes how ours ended; whether one more is wanted. None: it was given up as lost before."""
    row = connection.execute(
        """
        update restarts
           set running_by = null, running_until = null, ended = begun, ended_at = clock_timestamp(),
               outcome = %(outcome)s, error = %(error)s, duration_ms = %(duration_ms)s
         where workspace_id = %(workspace)s and begun = %(number)s and running_by is not null
        returning pending
        """,
        {"workspace": begun.workspace_id, "number": begun.number, **vars(told)},
    ).fetchone()
    return None if row is None else row[0]


def give_up_lost(connection: Postgres, error: str, workspace: UUID | None = None) -> list[Begun]:
    """Ends restarts, of one workspace or of all, whose process has let their time pass."""
    with connection.cursor(row_factory=class_row(Begun)) as cursor:
        return cursor.execute(
            """
            update restarts
               set running_by = null, running_until = null, ended = begun, ended_at = clock_timestamp(),
                   outcome = 'lost', error = %(error)s,
                   duration_ms = (extract(epoch from clock_timestamp() - began_at) * 1000)::bigint
             where running_until < clock_timestamp()
               and (%(workspace)s::uuid is null or workspace_id = %(workspace)s)
            returning workspace_id, begun as number
            """,
            {"error": error, "workspace": workspace},
        ).fetchall()


def unbegun(connection: Postgres, longer_than: timedelta) -> list[UUID]:
    """Workspaces whose restart was wanted so long ago, and nothing keeps it from beginning: its hint may be lost."""
    rows = connection.execute(
        """
        select workspace_id from restarts
         where pending and running_by is null and requested_at < clock_timestamp() - %s
         order by requested_at limit 100
        """,
        [longer_than],
    ).fetchall()
    return [row[0] for row in rows]


def get(connection: Postgres, workspace: UUID) -> Restart | None:
    """The restarts of a workspace; None when none was ever wanted."""
    with connection.cursor(row_factory=class_row(Restart)) as cursor:
        return cursor.execute(
            """
            select workspace_id, begun, ended, coalesce(running_until > clock_timestamp(), false) as running,
                   coalesce(running_until <= clock_timestamp(), false) as lost, pending, outcome, error, duration_ms,
                   began_at, ended_at
              from restarts where workspace_id = %s
            """,
            [workspace],
        ).fetchone()
