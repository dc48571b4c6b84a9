"""What the dashboard's buttons do: run now, cancel, pause, resume; each answers with a page."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from console.callers import calling
from console.deeds import firings, pausing
from console.pages import words
from console.pages.answers import PageRoute
from console.pages.origin import Fields, only_ours
from console.pages.render import HEADERS, page
from console.problems import Problem
from shared.admission import Admission
from shared.store import overview, schedules

_LONGEST_NOTE = 500

router = APIRouter(route_class=PageRoute, dependencies=[Depends(only_ours)])


async def at_hand(request: Request) -> Admission:
    """The way to the slots."""
    return request.app.state.admission


Slots = Annotated[Admission, Depends(at_hand)]


def back(said: str, of: UUID, form: dict[str, str]) -> Response:
    """To the first page, which says what was done."""
    kept = {"q": form["q"]} if form.get("q") else {}
    address = "/?" + urlencode({**kept, "said": said, "of": str(of)})
    return Response(status_code=303, headers={**HEADERS, "Location": address})


@router.post("/schedules/{schedule}/run")
def run_now(slots: Slots, schedule: UUID, form: Fields) -> Response:
    """Starts a firing now; `how` is '', 'queue' or 'force'. With no room it says so, and what can be done."""
    wish = form.get("how", "")
    how = firings.How(forced=wish == "force", queue=wish == "queue", actor=calling().acts("dashboard"))
    try:
        firing = firings.execute(slots, schedule, {}, how)
    except Problem as problem:
        return _not_started(slots, schedule, problem, form)
    return back({"force": "forced", "queue": "queued"}.get(wish, "started"), firing, form)


def _not_started(slots: Admission, schedule: UUID, problem: Problem, form: dict[str, str]) -> Response:
    connection = slots.database.connection()
    known = schedules.get(connection, schedule)
    told: dict[str, Any] = {"schedule": known, "wanted": form.get("q", "")}
    if problem.error == "workspace_not_ready":
        return page("held.html", problem.status, state=problem.more["state"], **told)
    if problem.error not in ("capacity_full", "draining"):
        raise problem
    named = [
        f"{words.limit(it.key, it.workspace)} cap {it.cap}"
        for it in overview.limits(connection)
        if it.key == problem.more["limit"]
    ]
    return page(
        "full.html",
        problem.status,
        problem.headers,
        limit=named[0] if named else problem.more["limit"],
        draining=problem.error == "draining",
        wait_s=problem.more.get("slot_eta_s", 0),
        **told,
    )


@router.post("/firings/{firing}/cancel")
def cancel(slots: Slots, firing: UUID, form: Fields) -> Response:
    """Ends a firing that waits, or asks for the end of one that runs."""
    try:
        said = firings.cancel(slots, firing, calling().acts("dashboard"))
    except Problem as problem:
        # It was there to be cancelled when the page was drawn: no error of the person who pressed.
        if problem.error != "firing_ended":
            raise
        said = "ended"
    return back(said, firing, form)


@router.post("/schedules/{schedule}/pause")
def pause(slots: Slots, schedule: UUID, form: Fields) -> Response:
    """Pauses a schedule, with a note if there is one; what waits of it is held, what runs goes on."""
    note = form.get("note", "").strip()[:_LONGEST_NOTE] or None
    pausing.pause(slots, schedule, pausing.Pause(note), calling().acts("dashboard"))
    return back("paused", schedule, form)


@router.post("/schedules/{schedule}/resume")
def resume(slots: Slots, schedule: UUID, form: Fields) -> Response:
    """Makes a schedule active from now on; nothing that it missed is fired, what was held goes on."""
    pausing.resume(slots, schedule, calling().acts("dashboard"))
    return back("resumed", schedule, form)
