"""The answer of whatever starts a firing."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Response
from pydantic import BaseModel

from console.api import repeats
from console.api.repeats import Repeated
from console.api.state import Actor, HowQuery
from console.deeds.firings import How
from console.deeds.repeats import once
from shared.store.connection import Database


class Started(BaseModel):
    """The firing that was made."""

    firing_id: UUID
    forced: bool


async def how_asked(actor: Actor, how: HowQuery, repeat: Repeated) -> How:
    """How a firing is asked for."""
    return How(how.force, how.queue, actor, repeat)


IN_LINE: dict[int | str, dict[str, Any]] = {202: {"model": Started, "description": "It waits in line"}}
AskedHow = Annotated[How, Depends(how_asked)]


def started(database: Database, act: Callable[[], UUID], how: How, response: Response) -> Started:
    """200, or 202 for one that may have to wait in line; the same for a request that is repeated under its key."""
    made, again = once(database, how.repeat, act)
    repeats.tell(response, again=again)
    response.status_code = 202 if how.queue else 200
    response.headers["Location"] = f"/api/firings/{made}"
    return Started(firing_id=made, forced=how.forced)
