"""The addresses of the first page, of lists that follow from it, and of the files; other pages have modules."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from console.api.allowed import needs
from console.api.state import Rows
from console.callers import calling
from console.pages.answers import PageRoute
from console.pages.board import View, board
from console.pages.files import FILES
from console.pages.forms import go
from console.pages.render import show
from shared.store import overview, overview_schedules
from shared.store.overview_schedules import Wanted

_LONGEST_FILTER = 200
_A_YEAR = "public, max-age=31536000, immutable"

router = APIRouter(route_class=PageRoute)
files = APIRouter(route_class=PageRoute)

Text = Annotated[str, Query(max_length=_LONGEST_FILTER)]
From = Annotated[int, Query(alias="from", ge=0, le=1_000_000)]


@router.get("/", openapi_extra=needs(one_workspace=True))
def front(
    request: Request,
    rows: Rows,
    hours: Annotated[float, Query(ge=0.25, le=48)] = 2,
    until: datetime | None = None,
) -> Response:
    """The whole first page; who may see one workspace finds its page instead."""
    own = calling().workspace
    if own is not None:
        return go(f"/workspaces/{own}")
    view = View(hours, until)
    known = board(rows, view)
    pressure = request.app.state.pressure.seen()
    return show(request, "front.html", board=known, now=known.now, view=view, pressure=pressure)


@router.get("/schedules", openapi_extra=needs(one_workspace=True))
def list_schedules(
    request: Request,
    rows: Rows,
    q: Text = "",
    state: Text = "",
    most: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: From = 0,
) -> Response:
    """Schedules, filtered, part by part."""
    wanted = Wanted(q.replace("\0", ""), state, calling().workspace, most, offset)
    with overview.one_moment(rows) as connection:
        listed = overview_schedules.schedules(connection, wanted)
        now = overview.totals(connection).now
    if offset and not listed:
        # The last of them went away meanwhile.
        return go(f"/schedules?{request.url.remove_query_params(['from', 'said', 'of']).query}")
    address = str(request.url.remove_query_params(["from", "said", "of"]).include_query_params(most=most).query)
    told: dict[str, Any] = {
        "rows": listed,
        "found": listed[0].found if listed else 0,
        "wanted": wanted,
        "now": now,
        "address": f"/schedules?{address}",
    }
    return show(request, "schedules.html", **told)


@files.get("/static/{name}")
def static(name: str, v: str = "") -> Response:
    """The stylesheet, the script, the mark; kept by browsers only as the version that they were asked for."""
    file = FILES.get(name)
    if file is None:
        raise HTTPException(404)
    # Beside a server of another release, its page asks for a version that this one has not.
    kept = _A_YEAR if v == file.version else "no-cache"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return Response(file.content, 200, headers, file.media_type)
