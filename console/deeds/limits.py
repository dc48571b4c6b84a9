"""Caps are set and removed; the gate counted."""

from uuid import UUID

from console.deeds import workspaces as deeds
from console.deeds.gate import AWAY
from console.problems import Problem, not_found, refused
from shared.admission import Admission
from shared.answers import Usage
from shared.events import trouble
from shared.rules.names import limit_key
from shared.rules.refused import RefusedValueError
from shared.store import limits
from shared.store.limits import Limit

_WORKSPACE = "workspace:"


def set_cap(admission: Admission, key: str, cap: int, actor: str) -> Limit:
    """Writes a cap where it stands, then in the gate; while that is away, the reconciler tells it."""
    known = _known(key)
    if known.startswith(_WORKSPACE):
        deeds.need(admission.database.connection(), UUID(known.removeprefix(_WORKSPACE)))
    try:
        admission.set_cap(known, cap, actor)
    except AWAY as error:
        trouble("gate.not_told", error, deed="set cap", limit=known)
    found = next((it for it in limits.listing(admission.database.connection()) if it.key == known), None)
    if found is None:
        detail = f"The limit {known} was removed meanwhile. Set it again, if you want it."
        raise Problem(409, "changed_meanwhile", detail)
    return found


def remove(admission: Admission, key: str, actor: str) -> None:
    """Removes a limit; the fleet's stays."""
    known = _known(key)
    if known == limits.FLEET:
        raise Problem(409, "fleet_limit_stays", "The fleet always has a cap. Set another one instead.")
    if known not in limits.caps(admission.database.connection()):
        raise not_found("limit", known)
    try:
        admission.remove_limit(known, actor)
    except AWAY as error:
        trouble("gate.not_told", error, deed="remove limit", limit=known)


def usage(admission: Admission) -> Usage | None:
    """The gate counted; None while it is away."""
    try:
        return admission.ask(lambda gate: gate.usage())
    except AWAY as error:
        trouble("gate.unavailable", error)
        return None


def _known(key: str) -> str:
    try:
        return limit_key(key)
    except RefusedValueError as error:
        raise refused(error) from error
