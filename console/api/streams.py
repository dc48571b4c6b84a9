"""Interactive streams over HTTP: while people talk, due schedules are put off."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StrictInt

from console.api.allowed import Asking, need_place, needs
from console.api.fields import Body
from console.api.paging import Listing, part
from console.api.state import Page, Rows, Talk
from console.callers import Caller
from console.deeds import streams as deeds
from console.problems import not_found
from shared.pressure import Pressure, Stream
from shared.store import gauges

router = APIRouter(prefix="/api/interactive-streams", tags=["interactive streams"])

_OWN = needs(one_workspace=True)

StreamId = Annotated[
    str,
    Path(
        description="Any name of yours for the stream; the same one again renews it.",
        pattern=r"^[A-Za-z0-9._:@-]{1,200}$",
    ),
]


class StreamForm(Body):
    """For how long the stream is good without renewal, the one workspace that it is about, how it fares."""

    ttl_s: Annotated[StrictInt, Field(ge=1, le=3600)] = 60
    workspace_id: UUID | None = None
    latency_ms: Annotated[
        StrictInt | None,
        Field(ge=0, le=3_600_000, description="How long somebody waited for the last answer, if you measured it."),
    ] = None


class Held(BaseModel):
    """A stream as it is registered now."""

    id: str
    workspace_id: UUID | None
    ttl_s: int


def _need_own(talk: Pressure, caller: Caller, stream_id: str) -> None:
    """404 for a stream that is about more than the caller's own workspace."""
    if caller.workspace is not None:
        for it in deeds.listing(talk):
            if it.id == stream_id and not caller.sees(it.workspace_id):
                raise not_found("stream", stream_id)


@router.get("", openapi_extra=_OWN)
def list_streams(talk: Talk, caller: Asking, page: Page) -> Listing[Stream]:
    """The active streams, by their name."""
    found = [it for it in deeds.listing(talk) if caller.workspace is None or caller.sees(it.workspace_id)]
    return part(sorted(found, key=lambda it: it.id), page.limit, page.cursor, lambda it: it.id)


@router.put("/{stream_id}", openapi_extra=_OWN)
def hold_stream(talk: Talk, rows: Rows, caller: Asking, stream_id: StreamId, form: StreamForm | None = None) -> Held:
    """Registers a stream, or renews it. While it is active, due schedules are put off; what runs goes on."""
    wish = form or StreamForm()
    need_place(caller, wish.workspace_id)
    _need_own(talk, caller, stream_id)
    deeds.hold(talk, rows, stream_id, wish.workspace_id, wish.ttl_s)
    if wish.latency_ms is not None:
        gauges.add_latency(rows.connection(), wish.latency_ms)
    return Held(id=stream_id, workspace_id=wish.workspace_id, ttl_s=wish.ttl_s)


@router.delete("/{stream_id}", status_code=204, openapi_extra=_OWN)
def end_stream(talk: Talk, caller: Asking, stream_id: StreamId) -> None:
    """Ends a stream; also when it is not active."""
    _need_own(talk, caller, stream_id)
    deeds.end(talk, stream_id)
