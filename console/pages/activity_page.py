"""The activity log: who did what, and what happened by itself."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from console.pages.answers import PageRoute
from console.pages.forms import Rows
from console.pages.paging import cursor_of, older_than
from console.pages.render import show
from shared.store import activity_pages, overview, schedules
from shared.store.activity_pages import Entry, Wanted

_A_PAGE = 50
_HIDDEN = {"schedule_id", "firing_id", "workspace_id", "name"}

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
    known = [f"{key.replace('_', ' ')} {value}" for key, value in it.request_body.items() if _is_told(key, value)]
    return ", ".join(known)


def _is_told(key: str, value: object) -> bool:
    return key not in _HIDDEN and value is not None and value is not False
