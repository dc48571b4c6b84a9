"""In which workspace a thing is; None for what is nowhere."""

from uuid import UUID

from shared.store.connection import Postgres


def of_workspace(connection: Postgres, workspace: UUID) -> UUID | None:
    """A workspace is in itself."""
    return _one(connection.execute("select id from workspaces where id = %s", [workspace]).fetchone())


def of_schedule(connection: Postgres, schedule: UUID) -> UUID | None:
    """That of a schedule."""
    return _one(connection.execute("select workspace_id from schedules where id = %s", [schedule]).fetchone())


def of_firing(connection: Postgres, firing: UUID) -> UUID | None:
    """That of a firing."""
    return _one(connection.execute("select workspace_id from firings where id = %s", [firing]).fetchone())


def _one(row: tuple[UUID, ...] | None) -> UUID | None:
    return None if row is None else row[0]


def of_limit(connection: Postgres, key: str) -> UUID | None:
    """That of a limit or a budget by its key; None for those of the fleet and of lanes."""
    kind, _, name = key.partition(":")
    if kind == "workspace":
        return UUID(name)
    return of_schedule(connection, UUID(name)) if kind == "schedule" else None
