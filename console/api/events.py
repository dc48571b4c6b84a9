"""What a firing said, as a list or as a stream of server-sent events that ends with the firing."""

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from anyio import sleep
from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, StreamingResponse

from console.api.allowed import Asking
from console.api.paging import Listing, bad_cursor, listing, opened
from console.api.state import MOST_ITEMS, Paging, Rows
from console.callers import Caller
from console.problems import not_found
from shared.events import trouble
from shared.rules.states import TERMINAL
from shared.store import api_tokens, firing_events, firings
from shared.store.connection import AWAY, Database
from shared.store.firing_events import FiringEvent

router = APIRouter(prefix="/api/firings", tags=["firings"])

_LOOK_EVERY_S = 0.3
_LOOK_AGAIN_S = 1.0
# Some proxies end a stream in which nothing comes for a minute.
_STILL_HERE_EVERY = 50
_MARK = re.compile(r"([0-9]{1,18})[:|]([0-9]{1,9})")
_START = (0, 0)


_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.get("/{firing_id}/events", response_model=Listing[FiringEvent], responses=_STREAM)
async def list_firing_events(
    rows: Rows,
    caller: Asking,
    firing_id: UUID,
    page: Annotated[Paging, Query()],
    accept: Annotated[str, Header()] = "*/*",
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> Response:
    """A stream of server-sent events, which goes on behind `Last-Event-ID`; with `Accept: application/json` a list.

    A list also where `limit` or `cursor` ask for a part of it. A stream is over, without its event `end`, when the
    token is.
    """
    if await run_in_threadpool(_status, rows, firing_id) is None:
        raise not_found("firing", firing_id)
    asks_for_list = "application/json" in accept or bool(page.model_fields_set)
    if "text/event-stream" in accept or not asks_for_list:
        after = _mark(last_event_id) or _START
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            _stream(rows, caller, firing_id, after), media_type="text/event-stream", headers=headers
        )
    after = _mark(opened(page.cursor)) or _START
    found = await run_in_threadpool(_events, rows, firing_id, after, page.limit + 1)
    listed = listing(found, page.limit, lambda it: f"{it.token}:{it.seq}")
    return JSONResponse(jsonable_encoder(listed))


def _mark(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _MARK.fullmatch(text)
    if found is None:
        raise bad_cursor()
    return int(found[1]), int(found[2])


async def _stream(rows: Database, caller: Caller, firing: UUID, after: tuple[int, int]) -> AsyncIterator[str]:
    quiet = 0
    while True:
        try:
            seen = await run_in_threadpool(_look, rows, caller.token, firing, after)
        except AWAY as error:  # who listens waits for it, and misses nothing
            trouble("stream.waits", error, firing=firing)
            yield ": Postgres does not answer\n\n"
            await sleep(_LOOK_AGAIN_S)
            continue
        if seen is None:
            return
        status, found = seen
        for it in found:
            after = (it.token, it.seq)
            yield f"id: {it.token}:{it.seq}\nevent: {it.kind}\ndata: {json.dumps(jsonable_encoder(it))}\n\n"
        if len(found) == MOST_ITEMS:
            continue
        if status is None or status in TERMINAL:
            yield f"event: end\ndata: {json.dumps({'status': status})}\n\n"
            return
        quiet = 0 if found else quiet + 1
        if quiet % _STILL_HERE_EVERY == 1:
            yield ": still here\n\n"
        await sleep(_LOOK_EVERY_S)


def _look(
    rows: Database, token: UUID | None, firing: UUID, after: tuple[int, int]
) -> tuple[str | None, list[FiringEvent]] | None:
    """The firing's status, and what it has said since; None where the token opens nothing any more."""
    if token is not None and not api_tokens.is_good(rows.connection(), token):
        return None
    # The status first: what was said before the end is there when the end is seen.
    status = _status(rows, firing)
    return status, _events(rows, firing, after, MOST_ITEMS)


def _status(rows: Database, firing: UUID) -> str | None:
    found = firings.get(rows.connection(), firing)
    return None if found is None else found.status


def _events(rows: Database, firing: UUID, after: tuple[int, int], most: int) -> list[FiringEvent]:
    return firing_events.of_firing(rows.connection(), firing, after, most)
