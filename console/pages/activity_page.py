"""The activity log: who did what, and what happened by itself."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from console.api.state import Rows
from console.pages import codes
from console.pages.answers import PageRoute
from console.pages.paging import cursor_of, older_than
from console.pages.render import show
from console.pages.words import counted
from shared.store import activity_pages, overview, schedules
from shared.store.activity_pages import Entry, Wanted

_A_PAGE = 50
_HIDDEN = {"schedule_id", "firing_id", "workspace_id", "name", "nominal_at"}

router = APIRouter(route_class=PageRoute)


@router.get("/activity")
def list_activity(
    request: Request,
    rows: Rows,
    by: Annotated[str, Query(max_length=10)] = "",
    schedule: UUID | None = None,
    before: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The newest first, page by page; `by=people` leaves out what processes wrote."""
    wanted = Wanted(None, schedule, by == "people", cursor_of(before))
    with overview.one_moment(rows) as connection:
        found = activity_pages.newest(connection, wanted, _A_PAGE + 1)
        now = schedules.now(connection)
    more = found[_A_PAGE - 1] if len(found) > _A_PAGE else None
    older = more and older_than(request, more.at, more.id)
    told: dict[str, Any] = {"found": [(it, _facts(it)) for it in found[:_A_PAGE]], "older": older, "by": by}
    return show(request, "activity.html", now=now, **told)


def _facts(it: Entry) -> str:
    # Where there are words for it, its code says nothing more.
    known = {key: value for key, value in it.request_body.items() if key != "reason" or "words" not in it.request_body}
    return ", ".join(filter(None, (_told(key, value) for key, value in known.items())))


def _told(key: str, value: object) -> str:
    """A fact in words; '' for what is no news: what stands beside it, what was not asked for, a first attempt."""
    if key in _HIDDEN or value in (None, False, "") or (key, value) == ("attempt", 1):
        return ""
    match key, value:
        case "turns", int():
            return counted(value, "turn")
        case "queue", True:
            return "in line if full"
        case "source", str():
            return codes.source(value)
        case "reason" | "words", str():
            return codes.plain(codes.sentence(value)).rstrip(".")
        case _:
            return codes.plain(key) if value is True else f"{codes.plain(key)} {value}"
