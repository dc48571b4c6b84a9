"""What a page's request brings along: who sent it, what it acts on; and where an answer leads."""

import json
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from console.callers import calling
from console.pages.render import HEADERS
from console.pages.said import led_back
from console.problems import Problem
from shared.store.idempotency import Repeat

LONGEST_NOTE = 500


async def actor() -> str:
    """Who acts, as the activity log has it."""
    return calling().acts("dashboard")


Actor = Annotated[str, Depends(actor)]


def note_of(form: dict[str, str]) -> str | None:
    """Why, in a person's words, if there are any."""
    return form.get("note", "").strip()[:LONGEST_NOTE] or None


def repeat_of(request: Request, form: dict[str, str]) -> Repeat | None:
    """The same form sent again: by a second click, or by a page loaded again. One that is drawn anew is another."""
    if not form.get("once"):
        return None
    told = json.dumps([request.url.path, sorted(form.items())]).encode()
    asked = sha256(told)
    return Repeat(str(calling().token or "here"), f"page {asked.hexdigest()}", asked.digest())


def unless_gone(remove: Callable[[], object]) -> None:
    """Removes something; what is gone already, by a second click or by somebody else, is as it was wanted."""
    try:
        remove()
    except Problem as problem:
        if problem.status != HTTPStatus.NOT_FOUND:
            raise


def back(form: dict[str, str], said: str, of: UUID | None = None) -> Response:
    """To the page that the form stood on, which says what was done."""
    return go(led_back(form.get("to", "/"), said, of))


def go(address: str) -> Response:
    """To another page of ours."""
    return Response(status_code=303, headers={**HEADERS, "Location": address})
