"""Workspaces: the places work runs in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from uuid_utils.compat import uuid7

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Workspace:
    """A workspace as people see it; cap is None where it has no limit of its own."""

    id: UUID
    name: str
    status: str
    native_scheduler: bool
    health_url: str | None
    restart_url: str | None
    active_tasks: int
    current_task: str | None
    consecutive_failures: int
    last_activity_at: datetime | None
    cap: int | None
    created_at: datetime
    updated_at: datetime


def add(connection: Postgres, values: dict[str, Any]) -> UUID:
    """Writes a workspace: name, status, native_scheduler, health_url, restart_url."""
    made = uuid7()
    connection.execute(
        """
        insert into workspaces (id, name, status, native_scheduler, health_url, restart_url)
        values (%(id)s, %(name)s, %(status)s, %(native_scheduler)s, %(health_url)s, %(restart_url)s)
        """,
        {"id": made, **values},
    )
    return made


def get(connection: Postgres, workspace: UUID) -> Workspace | None:
    """One workspace, or None."""
    found = [it for it in listing(connection, (workspace,)) if it.id == workspace]
    return found[0] if found else None


def by_name(connection: Postgres, name: str) -> UUID | None:
    """The id of the workspace of that name."""
    row = connection.execute("select id from workspaces where name = %s", [name]).fetchone()
    return None if row is None else row[0]


def listing(connection: Postgres, ids: tuple[UUID, ...] | None = None) -> list[Workspace]:
    """Every workspace (or those asked for), by name."""
    with connection.cursor(row_factory=class_row(Workspace)) as cursor:
        return cursor.execute(
            """
            select w.id, w.name, w.status, w.native_scheduler, w.health_url, w.restart_url, w.active_tasks,
                   w.current_task, w.consecutive_failures, w.last_activity_at, l.cap, w.created_at, w.updated_at
              from workspaces w left join limits l on l.key = 'workspace:' || w.id
             where %(ids)s::uuid[] is null or w.id = any(%(ids)s)
             order by w.name
            """,
            {"ids": None if ids is None else list(ids)},
        ).fetchall()


def page(connection: Postgres, after: UUID | None, most: int) -> list[Workspace]:
    """Workspaces in the order they were made; `after` is the last one of the page before."""
    ids = connection.execute(
        "select id from workspaces where %(after)s::uuid is null or id > %(after)s order by id limit %(most)s",
        {"after": after, "most": most},
    ).fetchall()
    return sorted(listing(connection, tuple(row[0] for row in ids)), key=lambda it: it.id)


def lock(connection: Postgres, workspace: UUID) -> str | None:
    """The status of a workspace, which nobody else changes before this transaction ends; None if there is none."""
    row = connection.execute("select status from workspaces where id = %s for update", [workspace]).fetchone()
    return None if row is None else row[0]


def queued_in(connection: Postgres, workspace: UUID) -> list[UUID]:
    """The firings that wait in a workspace."""
    rows = connection.execute(
        "select id from firings where workspace_id = %s and status = 'queued' order by line_no", [workspace]
    ).fetchall()
    return [row[0] for row in rows]


def change(connection: Postgres, workspace: UUID, values: dict[str, Any]) -> bool:
    """Writes name, status, native_scheduler, health_url and restart_url; False when there is none."""
    told = connection.execute(
        """
        update workspaces
           set name = %(name)s, status = %(status)s, native_scheduler = %(native_scheduler)s,
               health_url = %(health_url)s, restart_url = %(restart_url)s, updated_at = now()
         where id = %(id)s
        """,
        {"id": workspace, **values},
    )
    return told.rowcount == 1
