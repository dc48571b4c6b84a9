"""Who is let in: whoever sits at this machine, whoever shows a token, a browser that signed in (SEC-1)."""

import logging
from urllib.parse import quote

from fastapi.concurrency import run_in_threadpool
from psycopg import Error
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from console.api import bound
from console.api.allowed import SAFE
from console.callers import LOCAL, NOBODY, Caller
from console.deeds import api_tokens as api_tokens_deeds
from console.deeds import sign_ins
from console.problems import Problem
from shared.events import event
from shared.store import api_tokens
from shared.store.connection import Database

COOKIE = "slotbeat_sign_in"
# Without these nobody could see that the server lives, or sign in.
_OPEN_TO_ALL = ("/healthz", "/readyz", "/sign-in")
_OPEN_BELOW = "/static/"


class Entry:
    """Recognises callers; knows whether this server needs tokens."""

    def __init__(self, database: Database, *, require_token: bool, admin_token: str | None) -> None:
        self._database = database
        self._require_token = require_token
        self._admin_token = admin_token
        self._wide: dict[int, bool] = {}

    def needs_token(self, scope: Scope) -> bool:
        """Whether a request may have come from another machine, by where the server listens."""
        server = scope.get("server")
        if self._require_token or not server or not bound.is_loopback(server[0]):
            return True
        port: int = server[1] or 0
        if port not in self._wide:
            self._wide[port] = bound.is_wide(port)
        return self._wide[port]

    async def who(self, scope: Scope, headers: Headers) -> Caller:
        """The caller; a Problem for one who is not let in."""
        given = headers.getlist("authorization")
        if given:
            text = _bearer(given)
            return await run_in_threadpool(sign_ins.by_token, self._database, text, client_of(scope))
        cookie = cookie_of(headers)
        found = await run_in_threadpool(sign_ins.by_cookie, self._database, cookie) if cookie else None
        if found is not None:
            if scope["method"] not in SAFE and scope["path"].startswith("/api/"):
                sign_ins.check_csrf(found, headers.get("x-csrf-token"))
            return found
        path: str = scope["path"]
        if not self.needs_token(scope):
            return LOCAL
        if path in _OPEN_TO_ALL or path.startswith(_OPEN_BELOW):
            return NOBODY
        raise sign_ins.token_needed()

    async def may_start(self) -> str | None:
        """Why this server must not start; None where it may."""
        if self._admin_token:
            why = await run_in_threadpool(_keep, self._database, self._admin_token)
            if why is not None:
                return why
        wide = bound.this_program_was()
        if wide is None and not self._require_token:
            return None
        return await run_in_threadpool(why_not, self._database, wide or "loopback with SLOTBEAT_REQUIRE_TOKEN")


def _keep(database: Database, text: str) -> str | None:
    try:
        api_tokens_deeds.keep_environments(database, text)
    except (ValueError, Problem) as error:
        return f"{error}."
    except Error as error:
        event("entry.tokens_unknown", level=logging.WARNING, error=str(error))
    return None


def why_not(database: Database, where: str) -> str | None:
    """Why nobody may listen there: there is no token. Without a database it may start, and lets nobody in."""
    try:
        if api_tokens.any_good(database.connection()):
            return None
    except Error as error:
        event("entry.tokens_unknown", level=logging.WARNING, error=str(error))
        return None
    return (
        f"The API does not listen on {where} without a token. Make one: slotbeat token create NAME --scope admin,"
        " or set SLOTBEAT_ADMIN_TOKEN."
    )


def client_of(scope: Scope) -> str:
    """The address that a request came from."""
    return scope["client"][0] if scope.get("client") else "?"


def cookie_of(headers: Headers) -> str:
    """The cookie of a sign-in; empty where there is none."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def to_sign_in(scope: Scope, headers: Headers) -> Response | None:
    """Where somebody who looks at a page goes to sign in; None for programs."""
    path: str = scope["path"]
    looks = scope["method"] in SAFE and "text/html" in headers.get("accept", "")
    if not looks or path.startswith("/api/openapi"):
        return None
    query = scope["query_string"].decode("latin-1")
    target = path + (f"?{query}" if query else "")
    return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303, {"Cache-Control": "no-store"})


def _bearer(given: list[str]) -> str:
    scheme, _, text = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not text.strip():
        raise sign_ins.token_needed()
    return text.strip()
