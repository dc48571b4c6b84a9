"""Answers what goes wrong under a page's address with a page, not with the API's JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from psycopg import OperationalError

from console.pages.render import page
from shared.events import trouble

_TITLES = {403: "Refused", 404: "Not found", 409: "Not possible now", 413: "Too large"}


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                title = _TITLES.get(error.status_code, "Not possible")
                return page("trouble.html", error.status_code, title=title, text=str(error.detail))
            except RequestValidationError:
                return page("trouble.html", 404, title="Not found", text="There is no such page.")
            except OperationalError as error:
                trouble("page.no_database", error)
                return page("trouble.html", 503, {"Retry-After": "5"}, **_NO_DATABASE)

        return answer


_NO_DATABASE = {
    "title": "Postgres cannot be reached",
    "text": "Everything this page knows stands there. Firings that run go on for a while without it.",
}
