"""Interactive streams over HTTP: while people talk, due schedules are put off."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StrictInt

from console.api.fields import Body
from console.api.paging import Listing
from console.api.state import Page, Rows, Talk
from console.deeds import streams as deeds
from shared.pressure import Stream

router = APIRouter(prefix="/api/interactive-streams", tags=["interactive streams"])

StreamId = Annotated[
    str,
    Path(
        description="Any name of yours for the stream; the same one again renews it.",
        pattern=r"^[A-Za-z0-9._:@-]{1,200}$",
    ),
]


class StreamForm(Body):
    """For how long the stream is good without renewal, and the one workspace that it is about."""

    ttl_s: Annotated[StrictInt, Field(ge=1, le=3600)] = 60
    workspace_id: UUID | None = None


class Held(BaseModel):
    """A stream as it is registered now."""

    id: str
    workspace_id: UUID | None
    ttl_s: int


@router.get("")
def list_streams(talk: Talk, page: Page) -> Listing[Stream]:
    """The active streams, those that end first first."""
    return Listing(items=deeds.listing(talk)[: page.limit], next_cursor=None)


@router.put("/{stream_id}")
def hold_stream(talk: Talk, rows: Rows, stream_id: StreamId, form: StreamForm | None = None) -> Held:
    """Registers a stream, or renews it. While it is active, due schedules are put off; what runs goes on."""
    wish = form or StreamForm()
    deeds.hold(talk, rows, stream_id, wish.workspace_id, wish.ttl_s)
    return Held(id=stream_id, workspace_id=wish.workspace_id, ttl_s=wish.ttl_s)


@router.delete("/{stream_id}", status_code=204)
def end_stream(talk: Talk, stream_id: StreamId) -> None:
    """Ends a stream; also when it is not active."""
    deeds.end(talk, stream_id)
