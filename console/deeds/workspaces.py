"""Workspaces are made, edited and removed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from console.deeds.gate import tell
from console.problems import Problem, not_found
from shared.admission import Admission
from shared.rules.reasons import Reason
from shared.store import activity, budgets, limits, removal, workspaces
from shared.store.connection import Database, Postgres
from shared.store.epoch import shut_admission
from shared.store.workspaces import Workspace

_COLUMNS = (
    "name",
    "status",
    "native_scheduler",
    "health_url",
    "restart_command",
    "restart_url",
    "wake_url",
)


@dataclass(frozen=True)
class Edit:
    """What of a workspace is to change: columns, its cap where `sets_cap`, and what an agent says of itself."""

    values: Mapping[str, Any] = field(default_factory=dict)
    cap: int | None = None
    sets_cap: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)
    if_match: frozenset[str] | None = None


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
    return get(admission.database, made)


def change(admission: Admission, workspace: UUID, edit: Edit, actor: str) -> Workspace:
    """Edits a workspace; what waits in it is held while it is not fit, and starts at once when it is.

    What an agent says of itself is no edit and is not audited: it may say it every few seconds.
    """
    try:
        with admission.database.transaction() as connection:
            changed = _write(connection, workspace, edit, actor)
    except UniqueViolation:
        raise _name_taken(admission.database, edit.values["name"]) from None
    if edit.sets_cap:
        _set_cap(admission, workspace, edit.cap, actor)
    if "status" in changed:
        # After the commit: what a tick writes meanwhile is either seen here, or it sees the new status.
        waiting = workspaces.queued_in(admission.database.connection(), workspace)
        tell("edit workspace", lambda: (admission.withdraw(waiting), admission.offer_again(waiting)))
    return get(admission.database, workspace)


def _write(connection: Postgres, workspace: UUID, edit: Edit, actor: str) -> dict[str, Any]:
    """What of the columns changed."""
    if workspaces.lock(connection, workspace) is None:
        raise not_found("workspace", workspace)
    known = workspaces.get(connection, workspace)
    assert known is not None
    if known.status == "removed":
        raise removed(known)
    if edit.if_match is not None and tag_of(known) not in edit.if_match:
        raise Problem(412, "stale_revision", "It was edited since you read it. Read it again, then repeat your edit.")
    before = {it: getattr(known, it) for it in _COLUMNS}
    changed = {it: value for it, value in edit.values.items() if before[it] != value}
    if changed:
        workspaces.change(connection, workspace, {**before, **changed})
    if edit.told:
        workspaces.report(connection, workspace, dict(edit.told))
    recapped = edit.sets_cap and edit.cap != known.cap
    if changed or recapped:
        body = {**changed, "cap": edit.cap} if recapped else changed
        activity.add(connection, activity.Deed("workspace_edited", actor, body, workspace=workspace))
    return changed


def remove(admission: Admission, workspace: UUID, actor: str) -> None:
    """Removes a workspace with all that waits and runs in it: rows first, then whoever has to hear of it."""
    with admission.database.transaction() as connection:
        shut_admission(connection)
        before = workspaces.lock(connection, workspace)
        if before is None:
            raise not_found("workspace", workspace)
        if before == "removed":
            return
        gone = removal.remove_workspace(connection, workspace, Reason.CANCELLED)
        budgets.remove(connection, f"workspace:{workspace}")
        body = {"cancelled": len(gone.cancelled), "aborting": len(gone.aborting), "deleted": gone.deleted}
        activity.add(connection, activity.Deed("workspace_removed", actor, body, workspace=workspace))
        # In one statement: while this transaction lasts nobody claims.
        ended = [*gone.cancelled, *(it for it, _ in gone.aborting)]
        activity.add_cancelled(connection, workspace, ended, actor, "workspace_removed")
    tell("remove workspace", lambda: admission.withdraw(gone.cancelled))
    for firing, request in gone.aborting:
        tell("abort", lambda f=firing, r=request: admission.tell_abort(f, r, Reason.CANCELLED))
    _set_cap(admission, workspace, None, actor)


def tag_of(known: Workspace) -> str:
    """Tells one state of what people edit of a workspace from another; what an agent says of itself is no part."""
    told = json.dumps([*(getattr(known, it) for it in _COLUMNS), known.cap])
    return blake2b(told.encode(), digest_size=12).hexdigest()


def _set_cap(admission: Admission, workspace: UUID, cap: int | None, actor: str) -> None:
    key = f"workspace:{workspace}"
    if limits.caps(admission.database.connection()).get(key) == cap:
        return
    if cap is None:
        tell("remove limit", lambda: admission.remove_limit(key, actor))
    else:
        tell("set cap", lambda: admission.set_cap(key, cap, actor))


def get(database: Database, workspace: UUID) -> Workspace:
    """One workspace; 404 where there is none."""
    found = workspaces.get(database.connection(), workspace)
    if found is None:
        raise not_found("workspace", workspace)
    return found


def need(connection: Postgres, workspace: UUID) -> Workspace:
    """A workspace for which something is to be set; 404 where there is none, 409 where it was removed."""
    known = workspaces.get(connection, workspace)
    if known is None:
        raise not_found("workspace", workspace)
    if known.status == "removed":
        raise removed(known)
    return known


def removed(known: Workspace) -> Problem:
    """409: it is gone for good."""
    detail = f"Workspace {known.name} was removed: nothing runs in it any more. Add a new one."
    return Problem(409, "workspace_removed", detail)


def _name_taken(database: Database, name: str) -> Problem:
    there = workspaces.by_name(database.connection(), name)
    detail = f"There is a workspace {name} already. Edit that one, or choose another name."
    return Problem(409, "name_taken", detail, existing_id=there)
