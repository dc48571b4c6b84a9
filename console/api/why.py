"""What happened and why, over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from console.api.allowed import Asking
from console.api.fields import AskedInstant
from console.api.state import Asked, Rows
from console.deeds import why as deeds
from shared.rules.why.told import Step

router = APIRouter(prefix="/api", tags=["why"])


class Moment(Asked):
    """Which moment is meant: one that has passed, or one to come; without it, its last firing or skip."""

    at: AskedInstant | None = None


class Why(BaseModel):
    """A stable code, the answer in words, and the steps that led there; `firing_id` where one is of that moment."""

    at: datetime
    firing_id: UUID | None
    code: str
    words: str
    steps: list[Step]


@router.get("/schedules/{schedule_id}/why")
def why_schedule(rows: Rows, caller: Asking, schedule_id: UUID, moment: Annotated[Moment, Query()]) -> Why:
    """What a schedule did at a moment and why, or is expected to do."""
    return _told(deeds.of_schedule(rows, schedule_id, moment.at, caller.workspace))


@router.get("/firings/{firing_id}/why")
def why_firing(rows: Rows, caller: Asking, firing_id: UUID) -> Why:
    """The whole story of a firing: how it came, what it waited for, each attempt, how it ended."""
    return _told(deeds.of_firing(rows, firing_id, caller.workspace))


def _told(answer: deeds.Answer) -> Why:
    why = answer.why
    return Why(at=answer.at, firing_id=answer.firing_id, code=why.code, words=why.words, steps=list(why.steps))
