"""Budgets of the fleet and of workspaces are set and removed."""

from uuid import UUID

from console.deeds import workspaces as deeds
from console.problems import Wrong, invalid, not_found, refused
from shared.rules.names import limit_key
from shared.rules.refused import RefusedValueError
from shared.store import activity, budgets
from shared.store.connection import Database, Postgres
from shared.store.epoch import shut_admission

_WORKSPACE, _LANE = "workspace:", "lane:"


def put(database: Database, key: str, wanted: budgets.Wanted, actor: str) -> budgets.Budget:
    """Writes a budget of the fleet or a workspace."""
    known = _known(key)
    if wanted == budgets.Wanted(None, None, None):
        told = "Give turns, tokens or micros; to have no budget, delete it."
        raise invalid(Wrong("turns", "budget_empty", told))
    with database.transaction() as connection:
        shut_admission(connection)  # as who removes a workspace does: it takes the budget along
        workspace = _workspace(connection, known)
        budgets.put(connection, known, wanted, actor)
        body = {"key": known, **vars(wanted)}
        activity.add(connection, activity.Deed("budget_set", actor, body, workspace=workspace))
        # Before the commit nobody can have removed it.
        return next(it for it in budgets.every(connection) if it.key == known)


def remove(database: Database, key: str, actor: str) -> None:
    """Removes it; 404 where there is none."""
    known = _known(key)
    with database.transaction() as connection:
        if not budgets.remove(connection, known):
            raise not_found("budget", known)
        activity.add(connection, activity.Deed("budget_removed", actor, {"key": known}))


def _workspace(connection: Postgres, key: str) -> UUID | None:
    if not key.startswith(_WORKSPACE):
        return None
    return deeds.need(connection, UUID(key.removeprefix(_WORKSPACE))).id


def _known(key: str) -> str:
    try:
        known = limit_key(key)
    except RefusedValueError as error:
        raise refused(error) from error
    if known.startswith(_LANE):
        told = "A lane has a cap and no budget: use fleet, or workspace:ID; a schedule's are fields of it."
        raise invalid(Wrong("key", "budget_key", told))
    return known
