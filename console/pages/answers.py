"""Answers what goes wrong where a browser looks with a page, not with the API's JSON."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as AnyHTTPException

from console.api.answers import AWAY, away
from console.api.answers import tell as as_json
from console.pages.render import page
from console.problems import Problem
from shared.events import trouble

_TITLES = {403: "Refused", 404: "Not found", 409: "Not possible now", 413: "Too large"}
_LOST = {
    404: ("Not found", "There is no page at this address."),
    405: ("Nothing to see here", "This address only takes what a button of the dashboard sends."),
}
_NO_DATABASE = "Everything this page knows stands there. Firings that run go on for a while without it."
_SIGNED_OUT = "Nobody is signed in here any more, and nothing was done. The way back leads to the sign-in."
_STILL_SENT = " What you typed is not lost: sign in in another tab, then load this page again."
_SEND_AGAIN = " What you sent is not lost: load this page again to send it once more."


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except (Problem, HTTPException, RequestValidationError, *AWAY) as error:
                return _page_of(error, sent=request.method == "POST")

        return answer


def _page_of(
    error: Problem | HTTPException | RequestValidationError | psycopg.Error, *, sent: bool = False
) -> Response:
    match error:
        case Problem(error="gate_unavailable"):
            return page("trouble.html", error.status, error.headers, title="Gate unreachable", text=error.detail)
        case Problem():
            title = _TITLES.get(error.status, "Not possible")
            return page("trouble.html", error.status, error.headers, title=title, text=error.detail)
        case HTTPException():
            title = _TITLES.get(error.status_code, "Not possible")
            return page("trouble.html", error.status_code, title=title, text=str(error.detail))
        case RequestValidationError():
            return page("trouble.html", 404, title="Not found", text="There is no such page.")
        case _:
            return _without_database(error, sent=sent)


def _without_database(error: psycopg.Error, *, sent: bool) -> Response:
    trouble("page.no_database", error)
    answers = isinstance(error, psycopg.errors.DiskFull) or not isinstance(error, psycopg.OperationalError)
    title, text = (
        ("Postgres is not ready", away(error).detail) if answers else ("Postgres cannot be reached", _NO_DATABASE)
    )
    text += _SEND_AGAIN * sent
    return page("trouble.html", 503, {"Retry-After": "5"}, title=title, text=text)


def tell(request: Request, error: Problem | psycopg.Error) -> Response:
    """What whoever is not let in is told: a page where a browser looks, and no word about headers and variables."""
    if not _looks(request):
        return as_json(request, error)
    if isinstance(error, Problem) and error.error == "token_needed":
        # A schedule's form is shown again to whoever signed in since it was drawn.
        is_form = request.url.path.startswith("/schedules/") and request.url.path.endswith(("/new", "/edit"))
        return page("trouble.html", error.status, title="Signed out", text=_SIGNED_OUT + _STILL_SENT * is_form)
    return _page_of(error, sent=request.method == "POST")


def install(app: FastAPI) -> None:
    """What no page answers for (no such address, an unforeseen error) is a page too where a browser looks."""
    for kind in (AnyHTTPException, psycopg.Error, Exception):
        app.add_exception_handler(kind, _lost(app.exception_handlers[kind]))


def _looks(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _lost(otherwise: Any) -> Any:
    def handle(request: Request, error: Any) -> Response:
        answer = otherwise(request, error)
        if not _looks(request):
            return answer
        told = json.loads(answer.body)
        title, text = _LOST.get(answer.status_code, (told["title"], told["detail"]))
        kept = {it: answer.headers[it] for it in ("allow", "retry-after") if it in answer.headers}
        return page("trouble.html", answer.status_code, kept, title=title, text=text)

    return handle
