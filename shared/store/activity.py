"""Who did what, and what happened: one row each, from the same transaction as the deed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Deed:
    """One row of the activity log before it is written."""

    type: str
    actor: str
    body: dict[str, Any]
    status: str = "ok"
    error: str | None = None
    workspace: UUID | None = None
    schedule: UUID | None = None
    firing: UUID | None = None
    duration_ms: int | None = None


@dataclass(frozen=True)
class Activity:
    """One row of the activity log."""

    id: UUID
    workspace_id: UUID | None
    schedule_id: UUID | None
    firing_id: UUID | None
    type: str
    status: str
    actor: str
    request_body: dict[str, Any]
    error_detail: str | None
    duration_ms: int | None
    at: datetime


def add(connection: Postgres, deed: Deed) -> None:
    """Writes one row."""
    connection.execute(
        """
        insert into activity_logs (workspace_id, schedule_id, firing_id, type, status, actor, request_body,
                                   error_detail, duration_ms)
        values (%(workspace)s, %(schedule)s, %(firing)s, %(type)s, %(status)s, %(actor)s, %(body)s,
                %(error)s, %(duration_ms)s)
        """,
        {**vars(deed), "body": Jsonb(deed.body)},
    )


def add_cancelled(connection: Postgres, workspace: UUID, firings: list[UUID], actor: str, because: str) -> None:
    """Writes that firings of a workspace were cancelled, one row each, in one statement: they may be thousands."""
    connection.execute(
        """
        insert into activity_logs (workspace_id, firing_id, type, actor, request_body)
        select %(workspace)s, firing, 'firing_cancelled', %(actor)s,
               jsonb_build_object('firing_id', firing, 'because', %(because)s::text)
          from unnest(%(firings)s::uuid[]) as firing
        """,
        {"workspace": workspace, "firings": firings, "actor": actor, "because": because},
    )


def newest(connection: Postgres, most: int) -> list[Activity]:
    """The newest rows, newest first."""
    with connection.cursor(row_factory=class_row(Activity)) as cursor:
        return cursor.execute(
            """
            select id, workspace_id, schedule_id, firing_id, type, status, actor, request_body, error_detail,
                   duration_ms, at
              from activity_logs order by at desc limit %s
            """,
            [most],
        ).fetchall()
