"""What the buttons on many pages do: run now, cancel, rerun, pause, resume, skip; each leads back to its page."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from console.api.state import Slots
from console.deeds import failure_classes, firings, fleet, pausing, skipping
from console.deeds.repeats import once
from console.pages import codes
from console.pages.answers import PageRoute
from console.pages.forms import Actor, back, go, note_of, repeat_of
from console.pages.origin import Fields, only_ours
from console.pages.render import page
from console.pages.said import led_back
from console.problems import Problem
from shared.admission import Admission
from shared.rules.eta import Guess, in_words
from shared.store import firings as firing_rows
from shared.store import overview, schedules

# Of these, something can be done about it: to queue, and for some to force.
_NO_ROOM = ("capacity_full", "draining", "workspace_not_ready", "budget_used_up")

router = APIRouter(route_class=PageRoute, dependencies=[Depends(only_ours)])


@router.post("/schedules/{schedule_id}/run")
def run_now(request: Request, slots: Slots, actor: Actor, schedule_id: UUID, form: Fields) -> Response:
    """Starts a firing now; `how` is '', 'queue' or 'force'. With no room it says so, and what can be done."""
    how = _how(request, form, actor)
    try:
        firing, _ = once(slots.database, how.repeat, lambda: firings.execute(slots, schedule_id, {}, how))
    except Problem as problem:
        known = schedules.get(slots.database.connection(), schedule_id)
        return _no_room(request, slots, problem, form, "" if known is None else f"{known.workspace} / {known.name}")
    return back(form, _said(how), firing)


@router.post("/firings/{firing_id}/rerun")
def rerun(request: Request, slots: Slots, actor: Actor, firing_id: UUID, form: Fields) -> Response:
    """Makes a new firing of one that has ended, and leads to it."""
    how = _how(request, form, actor)
    try:
        firing, _ = once(slots.database, how.repeat, lambda: firings.rerun(slots, firing_id, how))
    except Problem as problem:
        known = firing_rows.get(slots.database.connection(), firing_id)
        return _no_room(request, slots, problem, form, "" if known is None else f"{known.title} #{known.number}")
    return go(led_back(f"/firings/{firing}", _said(how), firing))


def _how(request: Request, form: dict[str, str], actor: str) -> firings.How:
    wish = form.get("how", "")
    return firings.How(wish == "force", wish == "queue", actor, repeat_of(request, form))


def _said(how: firings.How) -> str:
    return "forced" if how.forced else "queued" if how.queue else "started"


def _no_room(request: Request, slots: Admission, problem: Problem, form: dict[str, str], name: str) -> Response:
    if problem.error not in _NO_ROOM:
        raise problem
    key = problem.more.get("limit", "")
    named = [
        f"{codes.limit(it.key, it.workspace)} cap {it.cap}"
        for it in overview.limits(slots.database.connection())
        if it.key == key
    ]
    told: dict[str, Any] = {
        "why": problem.error,
        "name": name,
        "again": request.url.path,
        "back": led_back(form.get("to", "/"), ""),
        "limit": named[0] if named else key or f"the budget {problem.more.get('budget', '')}",
        "state": problem.more.get("state", ""),
        "eta": in_words(Guess(problem.more.get("slot_eta_s", 0), problem.more.get("slot_eta_measured", True))),
    }
    return page("full.html", problem.status, problem.headers, **told)


@router.post("/firings/{firing_id}/cancel")
def cancel(slots: Slots, actor: Actor, firing_id: UUID, form: Fields) -> Response:
    """Ends a firing that waits, or asks for the end of one that runs."""
    try:
        said = firings.cancel(slots, firing_id, actor)
    except Problem as problem:
        # It was there to be cancelled when the page was drawn: no error of the person who pressed.
        if problem.error != "firing_ended":
            raise
        said = "ended"
    return back(form, said, firing_id)


@router.post("/schedules/{schedule_id}/pause")
def pause(slots: Slots, actor: Actor, schedule_id: UUID, form: Fields) -> Response:
    """Pauses a schedule, with a note if there is one; what waits of it is held, what runs goes on."""
    pausing.pause(slots, schedule_id, pausing.Pause(note_of(form)), actor)
    return back(form, "paused", schedule_id)


@router.post("/schedules/{schedule_id}/resume")
def resume(slots: Slots, actor: Actor, schedule_id: UUID, form: Fields) -> Response:
    """Makes a schedule active from now on; nothing that it missed is fired, what was held goes on."""
    pausing.resume(slots, schedule_id, actor)
    return back(form, "resumed", schedule_id)


@router.post("/schedules/{schedule_id}/skip-next")
def skip_next(slots: Slots, actor: Actor, schedule_id: UUID, form: Fields) -> Response:
    """Takes out the next occurrence; `how` is 'undo' to run it after all."""
    undo = form.get("how") == "undo"
    if undo:
        skipping.keep_next(slots.database, schedule_id, actor)
    else:
        skipping.skip_next(slots.database, schedule_id, actor, _shown(form))
    return back(form, "kept" if undo else "skipping", schedule_id)


def _shown(form: dict[str, str]) -> datetime | None:
    """When the occurrence starts that stood beside the button; it may be over by the time it is pressed."""
    try:
        return datetime.fromisoformat(form.get("at", ""))
    except ValueError:
        return None


@router.post("/fleet/pause")
def pause_fleet(slots: Slots, actor: Actor, form: Fields) -> Response:
    """Stops all admission."""
    fleet.pause(slots, note_of(form), actor)
    return back(form, "fleet_paused")


@router.post("/fleet/resume")
def resume_fleet(slots: Slots, actor: Actor, form: Fields) -> Response:
    """Goes on from now."""
    fleet.resume(slots, actor)
    return back(form, "fleet_resumed")


@router.post("/outages/release")
def release(slots: Slots, actor: Actor, form: Fields) -> Response:
    """Lets everything go on that an outage holds."""
    failure_classes.release(slots, form.get("key", ""), actor)
    return back(form, "class_released")
