"""What a page's request brings along: the fields of its form, who sent it, what it acts on."""

from typing import Annotated
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends, HTTPException, Request, Response

from console.pages.render import HEADERS
from console.pages.said import led_back
from shared.admission import Admission
from shared.store.connection import Database

# A prompt of 256 KiB takes up to three times as much as a form sends it.
_LONGEST_FORM = 1024 * 1024
LONGEST_NOTE = 500


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form, as browsers send it without files."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, f"A form here has at most {_LONGEST_FORM // 1024} KiB.")
    told = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=200)
    return {key: values[0].replace("\0", "") for key, values in told.items()}


async def actor(request: Request) -> str:
    """Who acts, as the activity log has it."""
    return "dashboard"


async def _slots(request: Request) -> Admission:
    return request.app.state.admission


async def _rows(request: Request) -> Database:
    return request.app.state.database


Fields = Annotated[dict[str, str], Depends(fields)]
Actor = Annotated[str, Depends(actor)]
Slots = Annotated[Admission, Depends(_slots)]
Rows = Annotated[Database, Depends(_rows)]


def note_of(form: dict[str, str]) -> str | None:
    """Why, in a person's words, if there are any."""
    return form.get("note", "").strip()[:LONGEST_NOTE] or None


def back(form: dict[str, str], said: str, of: UUID | None = None) -> Response:
    """To the page that the form stood on, which says what was done."""
    return go(led_back(form.get("to", "/"), said, of))


def go(address: str) -> Response:
    """To another page of ours."""
    return Response(status_code=303, headers={**HEADERS, "Location": address})
