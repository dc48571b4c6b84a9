"""What an operator turns: settings with their sources, caps, budgets; and the outages that hold firings."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from console.api.state import Rows, Slots
from console.deeds import budgets as budget_deeds
from console.deeds import limits as limit_deeds
from console.deeds import settings as setting_deeds
from console.figures import figure
from console.pages import codes
from console.pages.answers import PageRoute
from console.pages.forms import Actor, back, unless_gone
from console.pages.origin import Fields, only_admins, only_ours
from console.pages.render import show
from console.problems import Problem, Wrong, invalid, refused
from shared.rules.budgets import in_words, used
from shared.rules.names import LONGEST_LANE, name_of
from shared.rules.refused import RefusedValueError
from shared.settings import environment_name, is_here_only
from shared.store import budgets, failure_classes, fleet, limits, overview, overview_workspaces, schedules
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
        setting_deeds.write(slots, key, _value(key, text, known.default), actor)
    except Problem as problem:
        return _settings(request, slots.database, key, text, problem.detail)
    return back(form, "setting_saved")


def _value(key: str, text: str, default: Any) -> Any:
    """The text as JSON would have it, by what its default is; refused in the words of a form."""
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text, text)
    if not text and default is None:
        return None
    whole = isinstance(default, int) or default is None
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        usual = ", or nothing" if default is None else f", for example {figure(default)}"
        told = f"{key} is a {'whole ' if whole else ''}number{usual}."
        raise invalid(Wrong("value", "setting", told)) from error


@router.get("/limits")
def list_limits(request: Request, rows: Rows, budget: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Every limit with its use, every budget with what is spent; `budget` is the one that the form begins with."""
    known = next((it for it in budgets.every(rows.connection()) if it.key == budget), None) if budget else None
    return _limits(request, rows, {} if known is None else _typed(known), {})


def _limits(request: Request, rows: Database, v: dict[str, str], errors: dict[str, str], status: int = 200) -> Response:
    with overview.one_moment(rows) as connection:
        known = overview.limits(connection)
        paused = fleet.current(connection)
        named = _names(connection)
        spent = [(it, _named(it.key, named, connection)) for it in budgets.every(connection)]
        now = schedules.now(connection)
    told: dict[str, Any] = {
        "limits": known,
        "paused": paused,
        "budgets": spent,
        "places": [("fleet", "the fleet"), *((f"workspace:{it}", f"workspace {name}") for it, name in named.items())],
        "name": codes.limit,
        "amount": in_words,
        "used": used,
    }
    return show(request, "limits.html", status, now=now, v=v, errors=errors, **told)


def _typed(known: budgets.Budget) -> dict[str, str]:
    usd = None if known.micros is None else f"{Decimal(known.micros) / _USD:f}"
    amounts = {"turns": known.turns, "tokens": known.tokens, "usd": usd}
    return {"key": known.key, **{name: "" if it is None else str(it) for name, it in amounts.items()}}


def _names(connection: Postgres) -> dict[str, str]:
    return {str(it): name for it, name in overview_workspaces.names(connection)}


def _named(key: str, places: dict[str, str], connection: Postgres) -> str:
    kind, _, of = key.partition(":")
    if kind == "schedule":
        return f"schedule {overview.name_of(connection, UUID(of)) or of}"
    return codes.limit(key, places.get(of))


@changing.post("/limits")
def save_limit(request: Request, slots: Slots, actor: Actor, form: Fields) -> Response:
    """Sets a cap, or adds a lane with one; or shows what is wrong beside what was typed."""
    try:
        limit_deeds.set_cap(slots, _key(slots, form), _cap(form), actor)
    except Problem as problem:
        return _refused(request, slots.database, form, problem, "lane" if "lane" in form else "cap")
    return back(form, "limit_saved")


def _key(slots: Slots, form: dict[str, str]) -> str:
    if "lane" not in form:
        return form.get("key", "")
    try:
        key = f"lane:{name_of(form['lane'], 'lane', LONGEST_LANE)}"
    except RefusedValueError as error:
        raise refused(error) from error
    if key in limits.caps(slots.database.connection()):
        raise Problem(409, "lane_taken", "There is a lane of that name already: its cap stands above.")
    return key


def _cap(form: dict[str, str]) -> int:
    cap = _whole(form, "cap")
    if cap is None or not 0 <= cap <= 10_000:
        raise invalid(Wrong("cap", "cap", "A cap is a whole number from 0 to 10000; 0 stops all admission."))
    return cap


def _refused(request: Request, rows: Database, form: dict[str, str], problem: Problem, place: str) -> Response:
    """The page again, with what was typed; what is not said of a field of ours is said beside `place`."""
    if problem.status not in (409, 422):
        raise problem
    wrong = {it.field: it.message for it in problem.wrong if it.field in ("turns", "tokens", "usd")}
    return _limits(request, rows, form, wrong or {place: problem.detail}, problem.status)


@changing.post("/limits/remove")
def remove_limit(slots: Slots, actor: Actor, form: Fields) -> Response:
    """Removes a limit; what runs under it goes on."""
    unless_gone(lambda: limit_deeds.remove(slots, form.get("key", ""), actor))
    return back(form, "limit_removed")


@changing.post("/budgets")
def save_budget(request: Request, rows: Rows, actor: Actor, form: Fields) -> Response:
    """Sets a budget over a rolling day, or shows what is wrong beside what was typed."""
    try:
        wanted = budgets.Wanted(_amount(form, "turns"), _amount(form, "tokens"), _micros(form))
        budget_deeds.put(rows, form.get("key", ""), wanted, actor)
    except Problem as problem:
        return _refused(request, rows, form, problem, "turns")
    return back(form, "budget_saved")


def _amount(form: dict[str, str], name: str) -> int | None:
    found = _whole(form, name)
    if found is not None and not 0 < found < 2**53:
        raise invalid(Wrong(name, "budget", f"A budget of {name} is a whole number above 0; empty has no bound."))
    return found


def _micros(form: dict[str, str]) -> int | None:
    text = form.get("usd", "").strip()
    if not text:
        return None
    try:
        found = Decimal(text) * _USD
        if 0 < found < 2**53 and found == int(found):
            return int(found)
    except ArithmeticError:
        pass
    told = "A budget in USD is a number above 0, for example 5.50, down to millionths; empty has no bound."
    raise invalid(Wrong("usd", "budget", told))


@changing.post("/budgets/remove")
def remove_budget(rows: Rows, actor: Actor, form: Fields) -> Response:
    """Removes a budget."""
    unless_gone(lambda: budget_deeds.remove(rows, form.get("key", ""), actor))
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
