"""The form of a schedule: filled in, previewed while it is typed, saved; what is wrong stands beside its field."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ValidationError
from uuid_utils.compat import uuid7

from console.api.allowed import need_place, needs
from console.api.answers import wrong_value
from console.api.schedule_form import PreviewForm, ScheduleForm
from console.api.state import Rows, Slots
from console.callers import calling
from console.deeds import crowding, preview
from console.deeds import schedules as deeds
from console.deeds.crowding import Crowding
from console.deeds.preview import Preview
from console.deeds.repeats import once
from console.pages import schedule_text
from console.pages.answers import PageRoute
from console.pages.forms import Actor, back, go, repeat_of, unless_gone
from console.pages.origin import Fields, only_ours, still_signed_in
from console.pages.render import show
from console.pages.said import led_back
from console.problems import Problem, Wrong, invalid, not_found
from shared.rules.names import LONGEST_NAME
from shared.store import overview_workspaces, schedule_edits, schedules, workspaces
from shared.store.connection import Database
from shared.store.schedules import Schedule

_TURNS_IN_PROMPT = re.compile(r"\bmax(?:imum)?\.?\s+(?:of\s+)?[0-9]+\s+(?:turns|steps)\b", re.IGNORECASE)
_MOST_EDITS = 20
_COPY = " (copy)"

_OWN = needs(one_workspace=True)

router = APIRouter(route_class=PageRoute)
changing = APIRouter(route_class=PageRoute, dependencies=[Depends(only_ours)])
# A long prompt is not lost for a sign-in that ran out while it was typed.
typing = APIRouter(route_class=PageRoute)
Fresh = Annotated[bool, Depends(still_signed_in)]


@dataclass(frozen=True)
class Seen:
    """What the server makes of a form: when it would run, among whom; what is wrong, by field."""

    now: datetime
    preview: Preview | None = None
    crowding: Crowding | None = None
    told: str = ""
    hints_only: bool = False
    errors: dict[str, str] = field(default_factory=dict[str, str])


@router.get("/schedules/new", openapi_extra=_OWN)
def new_schedule(request: Request, rows: Rows, like: UUID | None = None, workspace: UUID | None = None) -> Response:
    """An empty form, or one like another schedule's."""
    form = dict(schedule_text.EMPTY)
    if like is not None:
        known = _known(rows, like)
        form = {**schedule_text.text_of(vars(known)), "name": known.name[: LONGEST_NAME - len(_COPY)] + _COPY}
    if workspace is not None:
        form["workspace_id"] = str(workspace)
    return _form(request, rows, form, None, _look(rows, form, None) if like else _nothing(rows))


@router.get("/schedules/{schedule_id}/edit")
def edit_schedule(request: Request, rows: Rows, schedule_id: UUID) -> Response:
    """The form of a schedule that is there."""
    known = _known(rows, schedule_id)
    form = {**schedule_text.text_of(vars(known)), "revision": str(known.revision)}
    return _form(request, rows, form, known, _look(rows, form, known))


@typing.post("/schedules/preview", openapi_extra=_OWN, dependencies=[Depends(still_signed_in)])
def preview_form(request: Request, rows: Rows, form: Fields) -> Response:
    """The form again, with what the server makes of it; nothing is saved. `cron_offset` is taken as its cron."""
    known = _of(rows, form)
    offered = form.get("cron_offset")
    form = {**form, "cron": offered} if offered else form
    return _form(request, rows, form, known, _look(rows, form, known))


@typing.post("/schedules/new", openapi_extra=_OWN)
def create(request: Request, rows: Rows, actor: Actor, form: Fields, fresh: Fresh) -> Response:
    """Makes a schedule, or shows the form again with what is wrong."""
    try:
        _need(fresh)
        values, repeat = _checked(form), repeat_of(request, form)
        made, _ = once(rows, repeat, lambda: deeds.create(rows, values, actor, repeat).schedule.id)
    except Problem as problem:
        return _again(request, rows, form, None, problem)
    return go(led_back(f"/schedules/{made}", "created", made))


@typing.post("/schedules/{schedule_id}/edit")
def save(request: Request, rows: Rows, actor: Actor, schedule_id: UUID, form: Fields, fresh: Fresh) -> Response:
    """Saves an edit, or shows the form again with what is wrong."""
    known = _known(rows, schedule_id)
    drawn = _revision(form)
    try:
        _need(fresh)
        saved = _edit(rows, known, _checked(form, known), actor, drawn)
    except Problem as problem:
        if problem.error != "stale_revision":
            return _again(request, rows, form, known, problem)
        # Only who was told that somebody edited it may write over that.
        again = {**form, "revision": str(problem.more["revision"])}
        return _again(request, rows, again, known, _by_others(rows, known, drawn or 0))
    said = "unchanged" if saved.schedule.revision == (drawn or known.revision) else "saved"
    return go(led_back(f"/schedules/{schedule_id}", said, schedule_id))


def _need(fresh: bool) -> None:
    if not fresh:
        detail = "You signed in again since this form was drawn, so nothing was saved. What you typed is here: save it."
        raise Problem(409, "csrf", detail)


def _revision(form: dict[str, str]) -> int | None:
    text = form.get("revision", "")
    return int(text[:18]) if text.isascii() and text.isdigit() else None


def _edit(rows: Database, known: Schedule, values: dict[str, Any], actor: str, drawn: int | None) -> deeds.Saved:
    """An edit of the revision that the form was drawn of; what stands there already is nobody's loss."""
    try:
        return deeds.edit(rows, known.id, values, actor, None if drawn is None else frozenset([drawn]))
    except Problem as problem:
        if problem.error != "stale_revision":
            raise
        there = deeds.edit(rows, known.id, values, actor, dry_run=True)
        if there.schedule.revision != problem.more["revision"]:
            raise
        return there


@changing.post("/schedules/{schedule_id}/move")
def move(rows: Rows, actor: Actor, schedule_id: UUID, form: Fields) -> Response:
    """Gives a schedule another cron, as the warning of a collision offers it."""
    drawn = _revision(form)
    shown = None if drawn is None else frozenset([drawn])
    deeds.edit(rows, schedule_id, {"cron": form.get("cron", "")}, actor, shown)
    return back(form, "moved", schedule_id)


@changing.post("/schedules/{schedule_id}/delete")
def delete(slots: Slots, actor: Actor, schedule_id: UUID, form: Fields) -> Response:
    """Deletes a schedule, or archives one that has a history."""
    unless_gone(lambda: deeds.remove(slots, schedule_id, actor, None))
    return back(form, "gone")


def _known(rows: Database, schedule: UUID) -> Schedule:
    found = schedules.get(rows.connection(), schedule)
    if found is None or not calling().sees(found.workspace_id):
        raise not_found("schedule", schedule)
    return found


def _of(rows: Database, form: dict[str, str]) -> Schedule | None:
    try:
        return _known(rows, UUID(form.get("schedule", "")))
    except (ValueError, Problem):
        return None


def _by_others(rows: Database, known: Schedule, drawn: int) -> Problem:
    edits = schedule_edits.revisions(rows.connection(), known.id, _MOST_EDITS)
    told = [f"{it.actor}: {', '.join(schedule_text.called(it.changes))}" for it in edits if it.revision > drawn]
    theirs = f" ({'; '.join(told)})" if told else ""
    detail = f"Somebody edited it meanwhile{theirs}. What you typed is here; saved again, it is written over theirs."
    return Problem(412, "stale_revision", detail)


def _checked(form: dict[str, str], known: Schedule | None = None) -> dict[str, Any]:
    values, wrong = schedule_text.values_of(form, known and vars(known))
    read = _validated(ScheduleForm, values, wrong)
    if wrong or read is None:
        raise invalid(*wrong)
    need_place(calling(), read.workspace_id)
    return read.values()


def _validated(model: type[Any], values: dict[str, Any], wrong: list[Wrong]) -> Any:
    try:
        found: BaseModel = model.model_validate(values)
    except ValidationError as error:
        wrong += [wrong_value(it) for it in error.errors()]
        return None
    return found


def _look(rows: Database, form: dict[str, str], known: Schedule | None) -> Seen:
    """What decides when it runs is looked at alone: a name that is missing yet hides no time."""
    now = schedules.now(rows.connection())
    values, wrong = schedule_text.values_of(form, known and vars(known), schedule_text.TIMING)
    hints_only = bool(_TURNS_IN_PROMPT.search(form.get("prompt", "")))
    read = _validated(PreviewForm, values, wrong)
    try:
        if wrong or read is None:
            raise invalid(*wrong)
        timing = read.model_dump(exclude={"target"})
        seen = preview.preview(rows, timing)
    except Problem as problem:
        errors = schedule_text.errors_of(problem.wrong, form)
        return Seen(now, None, None, " ".join(errors.values()) or problem.detail, hints_only, errors)
    return Seen(now, seen, _crowding(rows, form, known, timing), "", hints_only)


def _crowding(rows: Database, form: dict[str, str], known: Schedule | None, timing: dict[str, Any]) -> Crowding | None:
    try:
        place = UUID(form.get("workspace_id", ""))
    except ValueError:
        return None
    if not calling().sees(place) or workspaces.get(rows.connection(), place) is None:
        return None
    target = {"kind": form.get("target.kind", "command"), "adapter": form.get("command.adapter", "generic")}
    if target["kind"] != "command":
        del target["adapter"]
    values = {**timing, "workspace_id": place, "name": form.get("name", ""), "target": target}
    own = (known.id, known.avg_turns_per_firing) if known else (uuid7(), None)
    return crowding.look_ahead(rows.connection(), own[0], values, own[1])


def _again(
    request: Request, rows: Database, form: dict[str, str], known: Schedule | None, problem: Problem
) -> Response:
    """Nothing that was typed is lost."""
    if problem.status not in (409, 412, 422):
        raise problem
    errors = schedule_text.errors_of(problem.wrong, form)
    if problem.error == "name_taken":
        errors["name"] = problem.detail
    elif not errors:
        errors[""] = problem.detail
    seen = _look(rows, form, known)
    again = Seen(seen.now, seen.preview, seen.crowding, seen.told, seen.hints_only, {**seen.errors, **errors})
    return _form(request, rows, form, known, again, problem.status)


def _nothing(rows: Database) -> Seen:
    return Seen(schedules.now(rows.connection()))


def _form(
    request: Request, rows: Database, form: dict[str, str], known: Schedule | None, seen: Seen, status: int = 200
) -> Response:
    told = {"v": form, "known": known, "seen": seen, "now": seen.now, "errors": seen.errors}
    places = [it for it in overview_workspaces.names(rows.connection()) if calling().sees(it[0])]
    return show(request, "schedule_form.html", status, places=places, **told)
