"""Workspaces are made, edited and removed."""

from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from console.deeds.gate import tell
from console.problems import Problem, not_found
from shared.admission import Admission
from shared.rules.reasons import Reason
from shared.store import activity, limits, removal, workspaces
from shared.store.connection import Database
from shared.store.workspaces import Workspace


def create(admission: Admission, values: dict[str, Any], cap: int | None, actor: str) -> Workspace:
    """Makes a workspace, with a limit of its own where a cap is given."""
    try:
        with admission.database.transaction() as connection:
            made = workspaces.add(connection, values)
            body = {"name": values["name"], "cap": cap}
            activity.add(connection, activity.Deed("workspace_created", actor, body, workspace=made))
    except UniqueViolation:
        raise _name_taken(admission.database, values["name"]) from None
    _set_cap(admission, made, cap, actor)
    return _get(admission.database, made)


def change(admission: Admission, workspace: UUID, values: dict[str, Any], cap: int | None, actor: str) -> Workspace:
    """Edits a workspace; the gate then knows only those of its firings that may start."""
    try:
        with admission.database.transaction() as connection:
            before = workspaces.lock(connection, workspace)
            if before is None:
                raise not_found("workspace", workspace)
            workspaces.change(connection, workspace, values)
            body = {**values, "cap": cap}
            activity.add(connection, activity.Deed("workspace_edited", actor, body, workspace=workspace))
            waiting = workspaces.queued_in(connection, workspace) if before != values["status"] else []
    except UniqueViolation:
        raise _name_taken(admission.database, values["name"]) from None
    _set_cap(admission, workspace, cap, actor)
    if waiting:
        tell("edit workspace", lambda: (admission.withdraw(waiting), admission.offer_again(waiting)))
    return _get(admission.database, workspace)


def remove(admission: Admission, workspace: UUID, actor: str) -> None:
    """Removes a workspace with all that waits and runs in it."""
    with admission.database.transaction() as connection:
        before = workspaces.lock(connection, workspace)
        if before is None:
            raise not_found("workspace", workspace)
        if before == "removed":
            return
        gone = removal.remove_workspace(connection, workspace, Reason.CANCELLED)
        body = {"cancelled": len(gone.cancelled), "aborting": len(gone.aborting), "deleted": gone.deleted}
        activity.add(connection, activity.Deed("workspace_removed", actor, body, workspace=workspace))
        for firing in [*gone.cancelled, *(it for it, _ in gone.aborting)]:
            why = {"firing_id": str(firing), "because": "workspace_removed"}
            activity.add(connection, activity.Deed("firing_cancelled", actor, why, workspace=workspace, firing=firing))
    tell("remove workspace", lambda: admission.withdraw(gone.cancelled))
    for firing, request in gone.aborting:
        tell("abort", lambda f=firing, r=request: admission.tell_abort(f, r, Reason.CANCELLED))
    _set_cap(admission, workspace, None, actor)


def _set_cap(admission: Admission, workspace: UUID, cap: int | None, actor: str) -> None:
    key = f"workspace:{workspace}"
    if limits.caps(admission.database.connection()).get(key) == cap:
        return
    if cap is None:
        tell("remove limit", lambda: admission.remove_limit(key, actor))
    else:
        tell("set cap", lambda: admission.set_cap(key, cap, actor))


def _get(database: Database, workspace: UUID) -> Workspace:
    found = workspaces.get(database.connection(), workspace)
    if found is None:
        raise not_found("workspace", workspace)
    return found


def _name_taken(database: Database, name: str) -> Problem:
    there = workspaces.by_name(database.connection(), name)
    detail = f"There is a workspace {name} already. Edit that one, or choose another name."
    return Problem(409, "name_taken", detail, existing_id=there)
