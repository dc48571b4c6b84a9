"""One firing: its attempts, what it says, why it waited, how it ended; and the list of them."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from console.api.allowed import needs, only
from console.api.state import Rows
from console.callers import calling
from console.deeds import why as whys
from console.pages import words
from console.pages.answers import PageRoute
from console.pages.paging import cursor_of, older_than
from console.pages.render import show
from console.problems import not_found
from shared.rules.reasons import Reason
from shared.rules.states import State
from shared.rules.text import words_of
from shared.rules.why.told import Why
from shared.store import firing_detail, firing_events, firings, overview, schedule_history, schedules
from shared.store.firing_detail import Given, Tried
from shared.store.firing_events import FiringEvent
from shared.store.firings import Filter, Firing

_MOST_EVENTS = 300
_A_PAGE = 50
# Of an error, what is said at the top; the whole of it stands with the attempts.
_SHORT_ERROR = 160

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class Story:
    """Everything on a firing's page."""

    now: datetime
    firing: Firing
    given: Given
    attempts: list[Tried]
    events: list[tuple[FiringEvent, str]]
    slot_wait_ms: int | None
    why: Why
    short_error: str


@router.get("/firings/{firing_id}")
def one_firing(request: Request, rows: Rows, firing_id: UUID) -> Response:
    """A firing's page."""
    why = whys.of_firing(rows, firing_id, calling().workspace)
    with overview.one_moment(rows) as connection:
        known, given = firings.get(connection, firing_id), firing_detail.given(connection, firing_id)
        if known is None or given is None:
            raise not_found("firing", firing_id)
        said = firing_events.tail(connection, firing_id, _MOST_EVENTS)
        story = Story(
            schedules.now(connection),
            known,
            given,
            firing_detail.attempts(connection, firing_id),
            [(it, words_of(it.data)) for it in said],
            schedule_history.slot_wait_ms(connection, firing_id),
            _without(why.why, known.error),
            words.brief_error(known.error, _SHORT_ERROR),
        )
    return show(request, "firing.html", it=known, story=story, now=story.now, most_events=_MOST_EVENTS)


def _without(why: Why, error: str | None) -> Why:
    """The same without the error's text, which the page shows already."""
    said = f" ({error})"
    steps = tuple(replace(it, words=it.words.replace(said, "")) for it in why.steps)
    return replace(why, words=why.words.replace(said, ""), steps=steps)


class Wanted(BaseModel):
    """Which firings to list, as an address says it; before which, as `queued_at~id`."""

    schedule: UUID | None = None
    workspace: UUID | None = None
    status: State | Literal[""] = ""
    reason: Reason | Literal[""] = ""
    before: str = ""

    def which(self) -> Filter:
        """As rows are asked for."""
        return Filter(
            self.schedule, self.workspace, self.status or None, self.reason or None, None, cursor_of(self.before)
        )


@router.get("/firings", openapi_extra=needs(one_workspace=True))
def list_firings(request: Request, rows: Rows, asked: Annotated[Wanted, Query()]) -> Response:
    """Firings, filtered, newest first."""
    wanted = replace(asked.which(), workspace=only(calling(), asked.workspace))
    with overview.one_moment(rows) as connection:
        found = firings.newest(connection, wanted, _A_PAGE + 1)
        of = asked.schedule or asked.workspace
        name = overview.name_of(connection, of, calling().workspace) if of else None
        now = schedules.now(connection)
    more = found[_A_PAGE - 1] if len(found) > _A_PAGE else None
    older = more and older_than(request, more.queued_at, more.id)
    newest = asked.before and request.url.remove_query_params(["before", "said", "of"]).query
    told: dict[str, Any] = {"found": found[:_A_PAGE], "now": now, "wanted": asked, "name": name, "older": older}
    return show(
        request, "firings.html", states=list(State), reasons=list(Reason), first=not asked.before, newest=newest, **told
    )
