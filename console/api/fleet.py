"""The pause of the whole fleet, over HTTP."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from console.api.fields import Body, Note
from console.api.state import Actor, Rows, Slots
from console.deeds import fleet as deeds
from shared.store.fleet import FleetPause

router = APIRouter(prefix="/api", tags=["slots"])


class FleetState(BaseModel):
    """Whether the fleet is paused; by whom, since when, why, and the cap that it has again afterwards."""

    paused: bool
    paused_by: str | None = None
    paused_at: datetime | None = None
    note: str | None = None
    cap: int | None = None


class FleetPauseForm(Body):
    """Why the fleet pauses."""

    note: Note | None = None


@router.get("/pause")
def get_pause(rows: Rows) -> FleetState:
    """Whether the whole fleet is paused."""
    return _told(deeds.current(rows))


@router.post("/pause")
def pause_fleet(slots: Slots, actor: Actor, form: FleetPauseForm | None = None) -> FleetState:
    """Pauses the whole fleet: nothing starts, forced or not; what runs goes on; occurrences are skipped."""
    return _told(deeds.pause(slots, None if form is None else form.note, actor))


@router.post("/resume")
def resume_fleet(slots: Slots, actor: Actor) -> FleetState:
    """Resumes the whole fleet from now on: nothing that it missed is fired, what waits goes on."""
    deeds.resume(slots, actor)
    return _told(deeds.current(slots.database))


def _told(found: FleetPause | None) -> FleetState:
    return FleetState(paused=False) if found is None else FleetState(paused=True, **vars(found))
