"""Workspaces: the places work runs in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.store.connection import Postgres

_NO_HOOKS = {"health_url": None, "restart_command": None, "restart_url": None, "wake_url": None}


def _as_columns(values: dict[str, Any]) -> dict[str, Any]:
    command = values.get("restart_command")
    return {**values, "restart_command": None if command is None else Jsonb(command)}


@dataclass(frozen=True)
class Workspace:
    """A workspace as people see it; cap is None where it has no limit of its own."""

    id: UUID
    name: str
    status: str
    native_scheduler: bool
    health_url: str | None
    restart_command: list[str] | None
    restart_url: str | None
    wake_url: str | None
    active_tasks: int
    current_task: str | None
    consecutive_failures: int
    last_activity_at: datetime | None
    cap: int | None
    created_at: datetime
    updated_at: datetime


def add(connection: Postgres, values: dict[str, Any]) -> UUID:
    """Writes a workspace: name, status, native_scheduler, and its hooks, which may be left out."""
    made = uuid7()
    connection.execute(
        """
        insert into workspaces (id, name, status, native_scheduler, health_url, restart_command, restart_url, wake_url)
        values (%(id)s, %(name)s, %(status)s, %(native_scheduler)s, %(health_url)s, %(restart_command)s,
                %(restart_url)s, %(wake_url)s)
        """,
        {"id": made, **_NO_HOOKS, **_as_columns(values)},
    )
    return made


def get(connection: Postgres, workspace: UUID) -> Workspace | None:
    """One workspace, or None."""
    found = [it for it in listing(connection, (workspace,)) if it.id == workspace]
    return found[0] if found else None


def by_name(connection: Postgres, name: str) -> UUID | None:
    """The id of the workspace that has this name now."""
    row = connection.execute("select id from workspaces where name = %s and status <> 'removed'", [name]).fetchone()
    return None if row is None else row[0]


def listing(connection: Postgres, ids: tuple[UUID, ...] | None = None) -> list[Workspace]:
    """Every workspace (or those asked for), by name."""
    with connection.cursor(row_factory=class_row(Workspace)) as cursor:
        return cursor.execute(
            """
            select w.id, w.name, w.status, w.native_scheduler, w.health_url, w.restart_command,
                   w.restart_url, w.wake_url, w.active_tasks, w.current_task, w.consecutive_failures,
                   w.last_activity_at, l.cap, w.created_at, w.updated_at
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
    """The status of a workspace, which nobody else changes before this transaction ends; None if there is none.

    It does not stand in the way of those who only refer to it, as new firings and schedules do.
    """
    row = connection.execute("select status from workspaces where id = %s for no key update", [workspace]).fetchone()
    return None if row is None else row[0]


def queued_in(connection: Postgres, workspace: UUID) -> list[UUID]:
    """The firings that wait in a workspace."""
    rows = connection.execute(
        "select id from firings where workspace_id = %s and status = 'queued' order by line_no", [workspace]
    ).fetchall()
    return [row[0] for row in rows]


def change(connection: Postgres, workspace: UUID, values: dict[str, Any]) -> bool:
    """Writes name, status, native_scheduler and the hooks; False when there is none."""
    told = connection.execute(
        """
        update workspaces
           set name = %(name)s, status = %(status)s, native_scheduler = %(native_scheduler)s,
               health_url = %(health_url)s, restart_command = %(restart_command)s, restart_url = %(restart_url)s,
               wake_url = %(wake_url)s, updated_at = now()
         where id = %(id)s
        """,
        {"id": workspace, **_as_columns(values)},
    )
    return told.rowcount == 1


def report(connection: Postgres, workspace: UUID, told: dict[str, Any]) -> bool:
    """Writes what an agent says of itself, of active_tasks, current_task, last_activity_at; False: there is none.

    That it says anything is activity, at the moment it names or now.
    """
    row = connection.execute(
        """
        update workspaces
           set active_tasks = coalesce(%(active_tasks)s, active_tasks),
               current_task = case when %(says_task)s then %(current_task)s else current_task end,
               last_activity_at = greatest(last_activity_at, least(coalesce(%(last_activity_at)s, now()), now()))
         where id = %(id)s
        """,
        {
            "id": workspace,
            "active_tasks": told.get("active_tasks"),
            "says_task": "current_task" in told,
            "current_task": told.get("current_task"),
            "last_activity_at": told.get("last_activity_at"),
        },
    )
    return row.rowcount == 1


def found(connection: Postgres, workspace: UUID, *, fit: bool) -> None:
    """Writes what a preflight or a restart found: dead makes it `failed`, fit makes a failed one `online`."""
    connection.execute("select workspace_found(%(id)s, %(fit)s)", {"id": workspace, "fit": fit})


@dataclass(frozen=True)
class Hooks:
    """How a workspace is asked whether it is fit, and how it is restarted."""

    id: UUID
    name: str
    status: str
    health_url: str | None
    restart_command: list[str] | None
    restart_url: str | None

    @property
    def restarts(self) -> bool:
        """Whether there is a way to restart it."""
        return self.restart_command is not None or self.restart_url is not None


def hooks(connection: Postgres, workspace: UUID) -> Hooks | None:
    """The hooks of one workspace, or None."""
    with connection.cursor(row_factory=class_row(Hooks)) as cursor:
        return cursor.execute(
            "select id, name, status, health_url, restart_command, restart_url from workspaces where id = %s",
            [workspace],
        ).fetchone()


def clear_phantoms(connection: Postgres, idle: timedelta) -> list[UUID]:
    """Sets to 0 the workspaces that are counted busy, in which nothing runs and which gave no sign for so long."""
    rows = connection.execute(
        """
        update workspaces w set active_tasks = 0, current_task = null
         where w.active_tasks > 0 and w.status <> 'removed'
           and coalesce(w.last_activity_at, w.created_at) < now() - %s
           and not exists (select from firings f where f.workspace_id = w.id and f.status = 'running')
        returning w.id
        """,
        [idle],
    ).fetchall()
    return [row[0] for row in rows]


@dataclass(frozen=True)
class Asleep:
    """A workspace that is to be woken."""

    id: UUID
    name: str
    wake_url: str


def take_asleep(connection: Postgres, most: int) -> list[Asleep]:
    """Workspaces that sleep while something waits in them, and that nobody has woken: the caller does it now.

    Each is answered once, until its status changes.
    """
    with connection.cursor(row_factory=class_row(Asleep)) as cursor:
        return cursor.execute(
            """
            update workspaces w set wake_asked_at = now()
             where w.id in (
               select id from workspaces
                where wake_url is not null and wake_asked_at is null
                  and status in ('provisioning', 'offline', 'awaiting_agent', 'hibernating', 'hibernated')
                  and exists (select from firings f where f.workspace_id = workspaces.id and f.status = 'queued'
                                and (f.not_before is null or f.not_before <= now()))
                order by id limit %s for no key update skip locked)
            returning w.id, w.name, w.wake_url
            """,
            [most],
        ).fetchall()
