"""Interactive streams are registered and ended."""

from uuid import UUID

from console.deeds.gate import AWAY
from console.problems import Problem, Wrong, gate_unavailable, invalid
from shared.events import trouble
from shared.pressure import MOST_STREAMS, Pressure, Stream
from shared.store import workspaces
from shared.store.connection import Database


def hold(pressure: Pressure, database: Database, stream: str, workspace: UUID | None, ttl_s: int) -> None:
    """Registers a stream, or renews it, for so long."""
    if workspace is not None and workspaces.get(database.connection(), workspace) is None:
        told = f"There is no workspace {workspace}. List them with GET /api/workspaces."
        raise invalid(Wrong("workspace_id", "workspace_unknown", told))
    try:
        held = pressure.hold(stream, workspace, ttl_s * 1000)
    except AWAY as error:
        trouble("gate.unavailable", error)
        raise gate_unavailable() from error
    if not held:
        detail = f"{MOST_STREAMS} streams are active. End those that are over, or give them a shorter ttl_s."
        raise Problem(429, "too_many_streams", detail, headers={"Retry-After": "60"})


def end(pressure: Pressure, stream: str) -> None:
    """Ends a stream; one that is not active has ended already."""
    try:
        pressure.end(stream)
    except AWAY as error:
        trouble("gate.unavailable", error)
        raise gate_unavailable() from error


def listing(pressure: Pressure) -> list[Stream]:
    """The streams that are active."""
    try:
        return pressure.listing()
    except AWAY as error:
        trouble("gate.unavailable", error)
        raise gate_unavailable() from error
