"""What a caller needs for an address: a scope, and where it is of one workspace only, to ask for that one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer

from console.callers import Caller
from console.problems import Problem, not_found
from shared.rules.scopes import Scope
from shared.store import places
from shared.store.connection import Database

_SCOPE, _PLACES = "x-slotbeat-scope", "x-slotbeat-workspaces"
# Methods that change nothing.
SAFE = {"GET", "HEAD", "OPTIONS"}
# How a workspace is found by each kind of id that stands in an address.
_KINDS = {
    "workspace_id": ("workspace", places.of_workspace),
    "schedule_id": ("schedule", places.of_schedule),
    "firing_id": ("firing", places.of_firing),
}


def needs(scope: Scope | None = None, *, one_workspace: bool = False, fleet: bool = False) -> dict[str, Any]:
    """What an address needs, where it is not the usual: `read` for reading, `operate` for changes.

    `one_workspace`: it shows, or changes, a caller's own workspace only. `fleet`: it tells of others, although an
    id of its own stands in the address.
    """
    told: dict[str, Any] = {} if scope is None else {_SCOPE: scope.value}
    if one_workspace or fleet:
        told[_PLACES] = "own" if one_workspace else "all"
    return told


def scope_of(method: str, told: dict[str, Any]) -> Scope:
    """The scope that a method of an address needs."""
    return Scope(told.get(_SCOPE) or (Scope.READ if method in SAFE else Scope.OPERATE))


async def caller_of(request: Request) -> Caller:
    """Who asks."""
    return request.state.caller


Asking = Annotated[Caller, Depends(caller_of)]
_Bearer = Annotated[Any, Security(HTTPBearer(auto_error=False, description="slotbeat token create"))]


async def allowed(request: Request, caller: Asking, _: _Bearer) -> None:
    """Refuses a caller who may not: 403 by scope, 404 for what is in another workspace."""
    told = request.scope["route"].openapi_extra or {}
    caller.need(scope_of(request.method, told))
    await within(request, caller)


async def within(request: Request, caller: Caller) -> None:
    """Refuses a caller of one workspace what tells of all (403), and what is in another (404)."""
    if caller.workspace is not None:
        await _see(request, caller, (request.scope["route"].openapi_extra or {}).get(_PLACES))


def only(caller: Caller, wanted: UUID | None) -> UUID | None:
    """The workspace of which a listing is; None for all. 404 for one that does not exist for the caller."""
    if wanted is not None:
        need_place(caller, wanted)
    return caller.workspace or wanted


def need_place(caller: Caller, workspace: UUID | None) -> None:
    """404 where this workspace does not exist for the caller."""
    if not caller.sees(workspace):
        raise not_found("workspace", workspace)


async def _see(request: Request, caller: Caller, marked: str | None) -> None:
    known = {it: value for it, value in request.path_params.items() if it in _KINDS}
    if marked == "all" or (marked is None and not known):
        detail = f"The token {caller.name} is for one workspace, and this is about all. Use a token without one."
        raise Problem(403, "one_workspace_only", detail)
    for name, value in known.items():
        what, find = _KINDS[name]
        if not caller.sees(await run_in_threadpool(_place, request.app.state.database, find, value)):
            raise not_found(what, value)


def _place(database: Database, find: Any, value: str) -> UUID | None:
    try:
        return find(database.connection(), UUID(str(value)))
    except ValueError:
        return None
