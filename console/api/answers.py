"""Every answer that is not a success, as problem details (RFC 9457)."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any
from uuid import UUID

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from console.api.known_fields import fields_of
from console.api.targets import KINDS
from console.api.wording import sentence
from console.problems import Problem, Wrong, gate_unavailable, invalid, refused
from shared.events import trouble
from shared.rules.refused import RefusedValueError
from shared.rules.text import one_line
from shared.store import connection
from shared.store.schedules import WRITABLE

# Which of a target's alternatives was read is no part of a field's name.
_ALTERNATIVES = frozenset({*KINDS, "text", "secret", "[key]"})
_UNKNOWN = "extra_forbidden"
_SHOWN_CHARACTERS = 60
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PLACES = {"body", "query", "path", "header"}
# What a database says that has not had all migrations of this release.
_UNMIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)
AWAY = (*connection.AWAY, *_UNMIGRATED)


_WHY_AWAY = {
    psycopg.errors.DiskFull: "has no room left on its disk",
    psycopg.errors.ReadOnlySqlTransaction: "takes no writes: it is a standby, or was made read-only",
}


class WrongValue(BaseModel):
    """One value that cannot be."""

    field: str
    code: str
    message: str


class ProblemDetails(BaseModel):
    """What every refusal looks like; what is not required is there where its code calls for it."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    errors: list[WrongValue] = []
    slot_eta_s: int | SkipJsonSchema[None] = None
    slot_eta_measured: bool | SkipJsonSchema[None] = None
    limit: str | SkipJsonSchema[None] = None
    state: str | SkipJsonSchema[None] = None
    budget: str | SkipJsonSchema[None] = None
    revision: int | SkipJsonSchema[None] = None
    existing_id: UUID | SkipJsonSchema[None] = None
    next_at: datetime | SkipJsonSchema[None] = None
    number: int | SkipJsonSchema[None] = None
    scope: str | SkipJsonSchema[None] = None


def answer(problem: Problem) -> JSONResponse:
    """A problem as a response."""
    content: dict[str, Any] = {
        "type": f"urn:slotbeat:error:{problem.error}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "error": problem.error,
        **jsonable_encoder(problem.more),
    }
    if problem.wrong:
        content["errors"] = [vars(it) for it in problem.wrong]
    return JSONResponse(content, problem.status, problem.headers, media_type="application/problem+json")


def tell(_: Request, error: Problem | psycopg.Error) -> Response:
    """What a program is told whom the door does not let in."""
    return answer(error if isinstance(error, Problem) else away(error))


def install(app: FastAPI) -> None:
    """Every error of this application becomes a problem; none shows how it is made inside."""
    makers = {
        Problem: lambda error: error,
        RefusedValueError: refused,
        HTTPException: _of_http,
        psycopg.Error: _of_postgres,
        RedisError: lambda _: gate_unavailable(),
        Exception: _unexpected,
    }
    for kind, make in makers.items():
        app.add_exception_handler(kind, _handler(make))
    app.add_exception_handler(RequestValidationError, _told_invalid)


def _handler(make: Any) -> Any:
    def handle(request: Request, error: Any) -> JSONResponse:
        problem = make(error)
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers = {"Allow": ", ".join(methods(request))}
        if problem.status >= 500:
            trouble("api.failed", error, method=request.method, path=request.url.path)
        return answer(problem)

    return handle


def methods(request: Request) -> list[str]:
    """Those that an address takes; a route knows its own only."""
    routes = request.app.routes
    taken = [it for it in _METHODS if any(_takes(route, request.scope, it) for route in routes)]
    return ["HEAD", *taken] if "GET" in taken else taken


def _takes(route: BaseRoute, scope: Scope, method: str) -> bool:
    return route.matches({**scope, "method": method})[0] is Match.FULL


def _of_http(error: HTTPException) -> Problem:
    known = {404: ("not_found", "There is no such address. See /api/docs."), 405: ("method_not_allowed", "")}
    code, detail = known.get(error.status_code, ("refused", str(error.detail)))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = "This address does not take that method. See /api/docs."
    return Problem(error.status_code, code, detail, headers=error.headers)


def _of_postgres(error: psycopg.Error) -> Problem:
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return Problem(409, "changed_meanwhile", "What this belongs to was removed meanwhile. Read it again.")
    return away(error) if isinstance(error, AWAY) else _unexpected(error)


def away(error: psycopg.Error) -> Problem:
    """503: Postgres does not answer, has no room to write, or is not migrated."""
    if isinstance(error, _UNMIGRATED):
        detail = "The database is not as this release needs it. Run: slotbeat migrate."
        return Problem(503, "database_unavailable", detail, headers={"Retry-After": "5"})
    why = next((why for kind, why in _WHY_AWAY.items() if isinstance(error, kind)), "does not answer in time")
    detail = f"Postgres {why}. What runs goes on for a while. Try again in some seconds, or look: slotbeat doctor."
    return Problem(503, "database_unavailable", detail, headers={"Retry-After": "5"})


def _unexpected(_: Exception) -> Problem:
    return Problem(500, "internal", "Something went wrong here. It was logged; please report it with the time.")


def _told_invalid(request: Request, error: Any) -> JSONResponse:
    known = fields_of(request) if any(it["type"] == _UNKNOWN for it in error.errors()) else {}
    return answer(_invalid(error, known))


def _invalid(error: RequestValidationError, known: dict[str, list[str]]) -> Problem:
    found = [wrong_value(it, known.get(_part(it["loc"]), [])) for it in error.errors()]
    if any(it.code == "body_missing" for it in found):
        return Problem(400, "body_missing", "Send a JSON object as the body, with Content-Type: application/json.")
    return invalid(*found)


def _part(place: Sequence[Any]) -> str:
    return "within" if len(place) > 2 else str(place[0])


def wrong_value(told: Any, known: Sequence[str] = WRITABLE) -> Wrong:
    """What a validator found wrong, as people are told; `known` are the fields that there are."""
    place = [str(it) for it in told["loc"] if str(it) not in _ALTERNATIVES or "target" not in told["loc"]]
    if place == ["body"] and told["type"] == "missing":
        return Wrong("", "body_missing", "")
    field = one_line(".".join(place[1:] if place[0] in _PLACES else place), _SHOWN_CHARACTERS)
    if told["type"] == _UNKNOWN:
        near = get_close_matches(place[-1], [it for it in known if it != place[-1]], 1)
        meant = f"Did you mean {near[0]}?" if near else "See /api/docs for those there are."
        return Wrong(field, "unknown_field", f"There is no field {field}. {meant}")
    if told["type"] == "missing":
        return Wrong(field, "required", f"{field} is required.")
    return Wrong(field, str(told["type"]), sentence(field, told))
