"""Classes of failures over HTTP: which outages hold firings, and how recovery is tried."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from console.api.paging import Listing, part
from console.api.state import Actor, Paging, Rows, Slots
from console.deeds import failure_classes as deeds
from console.problems import not_found
from shared.store import failure_classes as store
from shared.store.failure_classes import FailureClass

router = APIRouter(prefix="/api/failure-classes", tags=["failure classes"])

_MOST = 100_000

Key = Annotated[str, Path(description="reason@place, for example rate_limited@lane:claude", max_length=2500)]


class Wanted(Paging):
    """Which classes to list; without `tripped`, also those that have closed."""

    tripped: bool = False


@router.get("")
def list_failure_classes(rows: Rows, wanted: Annotated[Wanted, Query()]) -> Listing[FailureClass]:
    """Tripped classes first, with what they hold and when recovery is tried next."""
    found = store.listing(rows.connection(), tripped=wanted.tripped, most=_MOST)
    return part(found, wanted.limit, wanted.cursor, lambda it: it.key)


@router.post("/{key:path}/release")
def release_failure_class(slots: Slots, actor: Actor, key: Key) -> FailureClass:
    """Closes a tripped class by hand: what it holds goes on at once."""
    return deeds.release(slots, key, actor)


@router.get("/{key:path}")
def get_failure_class(rows: Rows, key: Key) -> FailureClass:
    """One class; `healed_at` is null while it is tripped."""
    found = store.get(rows.connection(), key)
    if found is None:
        raise not_found("failure class", key)
    return found
