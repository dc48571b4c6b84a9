"""What an operator turns: settings with their sources, caps, budgets; and the outages that hold firings."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from console.deeds import budgets as budget_deeds
from console.deeds import limits as limit_deeds
from console.deeds import settings as setting_deeds
from console.pages import codes
from console.pages.answers import PageRoute
from console.pages.forms import Actor, Rows, Slots, back
from console.pages.origin import Fields, only_admins, only_ours
from console.pages.render import show
from console.problems import Problem, Wrong, invalid
from shared.rules.budgets import in_words, used
from shared.settings import environment_name, is_here_only
from shared.store import budgets, failure_classes, overview, overview_workspaces, schedules
from shared.store.connection import Database, Postgres

_MOST_OUTAGES = 100
_USD = 1_000_000

router = APIRouter(route_class=PageRoute)
changing = APIRouter(route_class=PageRoute, dependencies=[Depends(only_ours), Depends(only_admins)])


@router.get("/settings")
def list_settings(request: Request, rows: Rows) -> Response:
    """Every setting with its source."""
    return _settings(request, rows, "", "", "")


def _settings(request: Request, rows: Database, key: str, typed: str, error: str) -> Response:
    told: dict[str, Any] = {
        "here_only": is_here_only,
        "variable": environment_name,
        "wrong_key": key,
        "typed": typed,
        "error": error,
    }
    now = schedules.now(rows.connection())
    return show(request, "settings.html", 422 if error else 200, found=setting_deeds.every(rows), now=now, **told)


@changing.post("/settings")
def save_setting(request: Request, slots: Slots, actor: Actor, form: Fields) -> Response:
    """Writes one setting, or shows what is wrong with it."""
    key, text = form.get("key", ""), form.get("value", "").strip()
    known = setting_deeds.one(slots.database, key)
    try:
        setting_deeds.write(slots, key, _value(text, known.default), actor)
    except Problem as problem:
        return _settings(request, slots.database, key, text, problem.detail)
    return back(form, "setting_saved")


def _value(text: str, default: Any) -> Any:
    """The text as JSON would have it, by what its default is; what is not so is refused with words for that."""
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text, text)
    if not text:
        return None
    try:
        return int(text) if isinstance(default, int) or default is None else float(text)
    except ValueError:
        return text


@router.get("/limits")
def list_limits(request: Request, rows: Rows) -> Response:
    """Every limit with its use, every budget with what is spent."""
    with overview.one_moment(rows) as connection:
        known = overview.limits(connection)
        named = _names(connection)
        spent = [(it, _named(it.key, named, connection)) for it in budgets.every(connection)]
        now = schedules.now(connection)
    told: dict[str, Any] = {
        "limits": known,
        "budgets": spent,
        "places": list(named.items()),
        "name": codes.limit,
        "amount": in_words,
        "used": used,
    }
    return show(request, "limits.html", now=now, **told)


def _names(connection: Postgres) -> dict[str, str]:
    return {str(it): name for it, name in overview_workspaces.names(connection)}


def _named(key: str, places: dict[str, str], connection: Postgres) -> str:
    kind, _, of = key.partition(":")
    if kind == "schedule":
        return f"schedule {overview.name_of(connection, UUID(of)) or of}"
    return codes.limit(key, places.get(of))


@changing.post("/limits")
def save_limit(slots: Slots, actor: Actor, form: Fields) -> Response:
    """Sets a cap."""
    key = f"lane:{form['lane'].strip()}" if form.get("lane") else form.get("key", "")
    cap = _whole(form, "cap")
    if cap is None or not 0 <= cap <= 10_000:
        raise invalid(Wrong("cap", "cap", "A cap is a whole number from 0 to 10000; 0 stops all admission."))
    limit_deeds.set_cap(slots, key, cap, actor)
    return back(form, "limit_saved")


@changing.post("/limits/remove")
def remove_limit(slots: Slots, actor: Actor, form: Fields) -> Response:
    """Removes a limit; what runs under it goes on."""
    limit_deeds.remove(slots, form.get("key", ""), actor)
    return back(form, "limit_removed")


@changing.post("/budgets")
def save_budget(rows: Rows, actor: Actor, form: Fields) -> Response:
    """Sets a budget over a rolling day."""
    usd = form.get("usd", "").strip()
    try:
        micros = round(float(usd) * _USD) if usd else None
    except (ValueError, OverflowError):
        micros = 0
    amounts = (_whole(form, "turns"), _whole(form, "tokens"), micros)
    if any(it is not None and not 0 < it < 2**53 for it in amounts):
        raise invalid(Wrong("turns", "budget", "A budget's amounts are numbers above 0; leave out what has no bound."))
    budget_deeds.put(rows, form.get("key", ""), budgets.Wanted(*amounts), actor)
    return back(form, "budget_saved")


@changing.post("/budgets/remove")
def remove_budget(rows: Rows, actor: Actor, form: Fields) -> Response:
    """Removes a budget."""
    budget_deeds.remove(rows, form.get("key", ""), actor)
    return back(form, "budget_removed")


def _whole(form: dict[str, str], name: str) -> int | None:
    """The number; -1 for text that is none, None for no text."""
    text = form.get(name, "").strip()
    return None if not text else int(text[:18]) if text.isascii() and text.isdigit() else -1


@router.get("/outages")
def list_outages(request: Request, rows: Rows) -> Response:
    """Classes of failures that several schedules share: those that hold firings, then those that are over."""
    with overview.one_moment(rows) as connection:
        tripped = failure_classes.listing(connection, tripped=True, most=_MOST_OUTAGES)
        every = failure_classes.listing(connection, tripped=False, most=_MOST_OUTAGES)
        places = _names(connection)
        now = schedules.now(connection)
    over = [it for it in every if it.healed_at is not None]
    return show(request, "outages.html", tripped=tripped, over=over, places=places, now=now)
