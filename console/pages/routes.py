"""The addresses of the pages: what is read; what changes something is in deeds."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from console.pages import deeds, sign_in
from console.pages.answers import PageRoute
from console.pages.board import MOST_SCHEDULES, board
from console.pages.files import FILES
from console.pages.origin import may_look
from console.pages.render import page
from shared.store import overview
from shared.store.connection import Database

_LONGEST_FILTER = 200
_A_YEAR = "public, max-age=31536000, immutable"

_SAID = {
    "started": "{} was given a slot and starts.",
    "queued": "{} waits in line.",
    "forced": "{} starts beyond the cap; this was logged.",
    "cancelled": "{} was cancelled.",
    "aborting": "{} is being stopped.",
    "ended": "{} had ended already; nothing was changed.",
    "paused": "{} is paused.",
    "resumed": "{} is active again, from now on.",
}

router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.include_router(deeds.router, dependencies=[Depends(may_look)])
router.include_router(sign_in.router)


@router.get("/", dependencies=[Depends(may_look)])
def front(request: Request, q: str = Query("", max_length=_LONGEST_FILTER), said: str = "", of: str = "") -> Response:
    """The whole first page."""
    return _board(request, "front.html", q, said=_said(request.app.state.database, said, of))


@router.get("/live", dependencies=[Depends(may_look)])
def live(request: Request, q: str = Query("", max_length=_LONGEST_FILTER)) -> Response:
    """The parts of it that change, for the script that fetches them every two seconds."""
    return _board(request, "live.html", q)


def _board(request: Request, template: str, wanted: str, **more: Any) -> Response:
    known = board(request.app.state.database, wanted.replace("\0", ""))
    return page(template, board=known, now=known.now, most_schedules=MOST_SCHEDULES, **more)


def _said(database: Database, said: str, of: str) -> str:
    """What a button did, in words of ours about a row that exists: an address can make it say nothing else."""
    try:
        known = overview.name_of(database.connection(), UUID(of)) if said in _SAID else None
    except ValueError:
        return ""
    return "" if known is None else _SAID[said].format(f"“{known}”")


@router.get("/static/{name}")
def static(name: str) -> Response:
    """The stylesheet, the script, the mark."""
    file = FILES.get(name)
    if file is None:
        raise HTTPException(404)
    headers = {"Cache-Control": _A_YEAR, "X-Content-Type-Options": "nosniff"}
    return Response(file.content, 200, headers, file.media_type)
