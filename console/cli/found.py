"""Things by what people call them: an id, workspace/name, or a name that only one has."""

from typing import Any
from uuid import UUID

from console.cli.failures import NOT_FOUND, USAGE, Failure
from console.cli.server import Server


def is_id(text: str) -> bool:
    """Whether it is an id."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def workspace(server: Server, called: str) -> dict[str, Any]:
    """The workspace of that id or name."""
    if is_id(called):
        return server.ask("GET", f"/api/workspaces/{called}")
    found = _workspaces(server, called)
    if not found:
        raise Failure(f"There is no workspace {called}. See `slotbeat workspace list`.", NOT_FOUND)
    return found[0]


def schedule(server: Server, called: str) -> dict[str, Any]:
    """The schedule of that id, workspace/name or name."""
    if is_id(called):
        return server.ask("GET", f"/api/schedules/{called}")
    found = server.every("/api/schedules", name=called) if called else []
    place, _, name = called.partition("/")
    if not found and place and name:
        for it in _workspaces(server, place):
            found = server.every("/api/schedules", workspace=it["id"], name=name)
    if not found:
        raise Failure(f"There is no schedule {called}. See `slotbeat schedule list`.", NOT_FOUND)
    if len(found) > 1:
        choices = " or ".join(f"{it['workspace']}/{it['name']}" for it in found[:3])
        raise Failure(f"{len(found)} schedules are called {called}: say {choices}.", USAGE)
    return found[0]


def limit_key(server: Server, called: str) -> str:
    """A limit's key; a workspace's may be called by its name."""
    kind, _, name = called.partition(":")
    return f"workspace:{workspace(server, name)['id']}" if kind == "workspace" else called


def _workspaces(server: Server, name: str) -> list[dict[str, Any]]:
    return [it for it in server.every("/api/workspaces") if it["name"] == name and it["status"] != "removed"]
