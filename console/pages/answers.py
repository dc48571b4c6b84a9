"""Answers what goes wrong under a page's address with a page, not with the API's JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from psycopg import OperationalError

from console.pages.render import page
from console.problems import Problem
from shared.events import trouble

_TITLES = {403: "Refused", 404: "Not found", 409: "Not possible now", 413: "Too large"}
_NO_DATABASE = "Everything this page knows stands there. Firings that run go on for a while without it."


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except (Problem, HTTPException, RequestValidationError, OperationalError) as error:
                return _page_of(error)

        return answer


def _page_of(error: Exception) -> Response:
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
            trouble("page.no_database", error)
            headers = {"Retry-After": "5"}
            return page("trouble.html", 503, headers, title="Postgres cannot be reached", text=_NO_DATABASE)
