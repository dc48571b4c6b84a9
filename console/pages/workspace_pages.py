"""Workspaces: listed, added, edited, paused, restarted, removed."""

import shlex
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from console.api.allowed import needs
from console.api.answers import wrong_value
from console.api.state import Rows, Slots
from console.api.workspaces import WorkspaceChanges, WorkspaceForm
from console.callers import calling
from console.deeds import restarts
from console.deeds import workspaces as deeds
from console.pages.answers import PageRoute
from console.pages.forms import Actor, back, go
from console.pages.labels import beside
from console.pages.origin import Fields, only_admins, only_ours
from console.pages.render import show
from console.pages.said import led_back
from console.problems import Problem, invalid
from shared.store import firings, overview, overview_schedules, overview_workspaces, schedules
from shared.store.connection import Database
from shared.store.firings import Filter
from shared.store.overview_schedules import Wanted

_MOST = 500
_MOST_SCHEDULES = 100
_MOST_FIRINGS = 10
STATUSES = (
    *("online", "degraded", "offline", "paused", "failed", "provisioning"),
    *("hibernated", "hibernating", "awaiting_agent"),
)
_TEXTS = ("name", "status", "health_url", "restart_url", "wake_url")
_FIELDS = (*_TEXTS, "cap", "restart_command", "native_scheduler")
# What a field showed when the form was drawn.
_SHOWN = "shown."

router = APIRouter(route_class=PageRoute)
changing = APIRouter(route_class=PageRoute, dependencies=[Depends(only_ours)])


@router.get("/workspaces", openapi_extra=needs(one_workspace=True))
def list_workspaces(request: Request, rows: Rows) -> Response:
    """Every workspace with what it holds, and a form for one more; who may see one finds that."""
    own = calling().workspace
    if own is not None:
        return go(f"/workspaces/{own}")
    return _list(request, rows, {}, {})


def _list(request: Request, rows: Database, v: dict[str, str], errors: dict[str, str], status: int = 200) -> Response:
    with overview.one_moment(rows) as connection:
        found = overview_workspaces.workspaces(connection, _MOST)
        now = schedules.now(connection)
    return show(request, "workspaces.html", status, found=found, now=now, v=v, errors=errors)


@router.get("/workspaces/{workspace_id}")
def one_workspace(request: Request, rows: Rows, workspace_id: UUID) -> Response:
    """A workspace with its schedules."""
    return _page(request, rows, workspace_id, None, {})


def _page(
    request: Request,
    rows: Database,
    workspace: UUID,
    v: dict[str, str] | None,
    errors: dict[str, str],
    status: int = 200,
) -> Response:
    known = deeds.get(rows, workspace)
    restart = restarts.follow(rows, workspace)
    with overview.one_moment(rows) as connection:
        listed = overview_schedules.schedules(connection, Wanted(workspace=workspace, most=_MOST_SCHEDULES))
        recent = firings.newest(connection, Filter(workspace=workspace), _MOST_FIRINGS)
        now = schedules.now(connection)
    values = _shown(_text_of(vars(known))) if v is None else v
    told = {"rows": listed, "recent": recent, "restart": restart, "statuses": STATUSES}
    return show(request, "workspace.html", status, it=known, now=now, v=values, errors=errors, **told)


@changing.post("/workspaces", dependencies=[Depends(only_admins)])
def add(request: Request, slots: Slots, actor: Actor, form: Fields) -> Response:
    """Adds one, or shows the form again with what is wrong."""
    try:
        edit = _read(WorkspaceForm, {it: form[it] for it in ("name", "cap") if form.get(it)}).edit(whole=True)
        made = deeds.create(slots, dict(edit.values), edit.cap, actor)
    except Problem as problem:
        return _list(request, slots.database, form, _errors(problem), problem.status)
    return go(led_back(f"/workspaces/{made.id}", "created", made.id))


@changing.post("/workspaces/{workspace_id}", dependencies=[Depends(only_admins)])
def save(request: Request, slots: Slots, actor: Actor, workspace_id: UUID, form: Fields) -> Response:
    """Writes what a person changed, or shows the form again with what is wrong, or with what others changed since."""
    known = deeds.get(slots.database, workspace_id)
    there, mine = _text_of(vars(known)), _changed(form)
    others = {it: text for it, text in there.items() if it in mine and _is_news(it, text, form)}
    if others:
        seen = {**form, **_shown(others, only=True)}
        return _page(request, slots.database, workspace_id, seen, {it: _theirs(it, there[it]) for it in others}, 412)
    try:
        values = _values(form)
        edit = _read(WorkspaceChanges, {it: values[it] for it in mine}).edit(whole=False)
        deeds.change(slots, workspace_id, replace(edit, if_match=frozenset([deeds.tag_of(known)])), actor)
    except Problem as problem:
        return _page(request, slots.database, workspace_id, form, _errors(problem), problem.status)
    return back(form, "saved" if mine else "unchanged", workspace_id)


def _changed(form: dict[str, str]) -> set[str]:
    """The fields that are not as they were shown. A box that is not ticked is sent by no browser."""
    sent = [it for it in _FIELDS if it in form or it == "native_scheduler"]
    return {it for it in sent if _drawn(form, it) != form.get(it, "")}


def _drawn(form: dict[str, str], name: str) -> str | None:
    return form.get(_SHOWN + name)


def _is_news(name: str, text: str, form: dict[str, str]) -> bool:
    """Whether this stands there by now, and was neither shown nor is what is wanted."""
    drawn = _drawn(form, name)
    # As browsers send the ends of lines.
    return drawn is not None and text.replace("\r\n", "\n") not in (drawn, form.get(name, ""))


def _shown(values: dict[str, str], *, only: bool = False) -> dict[str, str]:
    """The fields with what they show, which the form sends back beside what stands in them then."""
    return {**({} if only else values), **{_SHOWN + it: text for it, text in values.items()}}


def _theirs(name: str, text: str) -> str:
    told = {"native_scheduler": "ticked it" if text else "took its tick away"}.get(name) or (
        f"made it “{text}”" if text else "emptied it"
    )
    return f"Somebody {told} meanwhile. Saved again, what stands here is written over that."


@changing.post("/workspaces/{workspace_id}/status")
def set_status(slots: Slots, actor: Actor, workspace_id: UUID, form: Fields) -> Response:
    """Pauses a workspace, or makes it online again."""
    edit = _read(WorkspaceChanges, {"status": form.get("status", "")}).edit(whole=False)
    deeds.change(slots, workspace_id, edit, actor)
    return back(form, "resumed" if form.get("status") == "online" else "paused", workspace_id)


@changing.post("/workspaces/{workspace_id}/restart")
def restart(slots: Slots, actor: Actor, workspace_id: UUID, form: Fields) -> Response:
    """Asks for a restart; one runs at a time."""
    restarts.ask(slots, workspace_id, actor)
    return back(form, "restarting", workspace_id)


@changing.post("/workspaces/{workspace_id}/remove", dependencies=[Depends(only_admins)])
def remove(slots: Slots, actor: Actor, workspace_id: UUID, form: Fields) -> Response:
    """Removes a workspace: what waits is cancelled, what runs aborted, its schedules archived."""
    deeds.remove(slots, workspace_id, actor)
    return back(form, "removed", workspace_id)


def _text_of(values: dict[str, Any]) -> dict[str, str]:
    found = {it: values[it] or "" for it in _TEXTS}
    found["restart_command"] = shlex.join(values["restart_command"] or [])
    found["cap"] = "" if values["cap"] is None else str(values["cap"])
    found["native_scheduler"] = "on" if values["native_scheduler"] else ""
    return found


def _values(form: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {it: form.get(it, "").strip() or None for it in (*_TEXTS, "cap")}
    found["name"] = form.get("name", "")
    try:
        found["restart_command"] = shlex.split(form.get("restart_command", "")) or None
    except ValueError:
        found["restart_command"] = form["restart_command"]
    found["native_scheduler"] = form.get("native_scheduler") == "on"
    return found


def _read(model: type[Any], values: dict[str, Any]) -> Any:
    cap = values.get("cap")
    if isinstance(cap, str) and cap.isascii() and cap.isdigit():
        values = {**values, "cap": int(cap[:10])}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(*(wrong_value(it) for it in error.errors())) from error


def _errors(problem: Problem) -> dict[str, str]:
    if problem.error == "name_taken":
        return {"name": problem.detail}
    found: dict[str, str] = {}
    for it in problem.wrong:
        place, _, inner = it.field.partition(".")
        found.setdefault(place, beside(place, it, f"Argument {int(inner) + 1}" if inner.isdigit() else inner))
    return found or {"": problem.detail}
