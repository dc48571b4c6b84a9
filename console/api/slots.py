"""Slots and limits over HTTP: caps, who holds, who waits."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from console.api.allowed import Asking, needs
from console.api.fields import Body, Cap
from console.api.paging import Listing, part
from console.api.state import Actor, Page, Rows, Slots
from console.callers import Caller
from console.deeds import limits as deeds
from console.deeds.held_back import held_back
from shared.answers import Usage
from shared.rules.line_order import PRIORITY_STEP
from shared.rules.scopes import Scope
from shared.store import limits, overview, places
from shared.store.limits import Limit, SlotHolder
from shared.store.overview import Waits

router = APIRouter(prefix="/api", tags=["slots"])

_LONGEST_LINE = 100

Key = Annotated[str, Path(description="fleet, workspace:ID or lane:NAME", max_length=200)]


class LimitForm(Body):
    """A limit's cap; 0 stops all admission under it."""

    cap: Cap


@dataclass(frozen=True)
class Waiter(Waits):
    """A queued firing; `held_by` says in words what keeps it out of the line, and is null for one that waits in it."""

    held_by: str | None


class LimitInUse(BaseModel):
    """A limit with those who hold its slots, and the head of those who wait for one, or for something else."""

    key: str
    usage: int
    cap: int
    limit: Limit
    holders: list[SlotHolder]
    line: list[Waiter]


class AllSlots(BaseModel):
    """Every limit in use, all in one part; `gate` is what Redis counts, null while it is away."""

    items: list[LimitInUse]
    next_cursor: None = None
    waiting: int
    gate: Usage | None


@router.get("/slots", openapi_extra=needs(one_workspace=True))
def get_slots(slots: Slots, caller: Asking) -> AllSlots:
    """Usage, cap, holders and the line, per limit."""
    with overview.one_moment(slots.database) as connection:
        known, held = limits.listing(connection), limits.holders(connection)
        line = overview.line(connection, _LONGEST_LINE, PRIORITY_STEP)
        totals = overview.totals(connection)
        held = [
            it for it in held if caller.workspace is None or caller.sees(places.of_firing(connection, it.firing_id))
        ]
    waiting = [Waiter(**vars(it), held_by=held_back(it, totals.now)) for it in line if caller.sees(it.workspace_id)]
    items = [
        LimitInUse(
            key=limit.key,
            usage=limit.held,
            cap=limit.cap,
            limit=limit,
            holders=[it for it in held if it.limit_key == limit.key],
            line=[it for it in waiting if limit.key in ("fleet", f"workspace:{it.workspace_id}", f"lane:{it.lane}")],
        )
        for limit in known
        if _sees(caller, limit.key)
    ]
    gate = deeds.usage(slots)
    if gate is not None:
        gate = replace(gate, limits=[it for it in gate.limits if _sees(caller, it.limit)])
    return AllSlots(items=items, waiting=totals.waiting, gate=gate)


def _sees(caller: Caller, key: str) -> bool:
    """Whether a limit is none of a workspace that does not exist for the caller."""
    return caller.workspace is None or key == f"workspace:{caller.workspace}" or not key.startswith("workspace:")


@router.get("/limits", openapi_extra=needs(one_workspace=True))
def list_limits(rows: Rows, caller: Asking, page: Page) -> Listing[Limit]:
    """Every limit with what is held under it."""
    found = [it for it in limits.listing(rows.connection()) if _sees(caller, it.key)]
    return part(found, page.limit, page.cursor, lambda it: it.key)


@router.put("/limits/{key:path}", openapi_extra=needs(Scope.ADMIN))
def set_limit(slots: Slots, actor: Actor, key: Key, form: LimitForm) -> Limit:
    """Writes a cap, and hands over at once what it makes free; lowering it ends nothing."""
    return deeds.set_cap(slots, key, form.cap, actor)


@router.delete("/limits/{key:path}", status_code=204, openapi_extra=needs(Scope.ADMIN))
def remove_limit(slots: Slots, actor: Actor, key: Key) -> None:
    """Removes the limit of a workspace or a lane; what runs under it goes on."""
    deeds.remove(slots, key, actor)
