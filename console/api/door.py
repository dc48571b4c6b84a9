"""Who may come in: our own Host names and Origins; and what a body may be before anybody reads it (SEC-1)."""

from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
from anyio import fail_after
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.api import bound, metrics
from console.api.allowed import SAFE
from console.api.answers import AWAY
from console.api.entry import Entry, to_sign_in
from console.api.intake import LARGEST_BODY, check_body
from console.callers import call_as
from console.problems import Problem

# A caller that still sends cannot hear the answer: what is not much too large is read to its end, and forgotten.
_MOST_PASSED_OVER = 8 * LARGEST_BODY
_LARGEST_HEADERS, _MOST_HEADERS = 32 * 1024, 100
_BODY_WITHIN_S = 30.0
_OWN_SITES = {None, "same-origin", "none"}


class Door:
    """Refuses what must not come in with a problem; what comes in has a caller, and a checked body, kept in memory."""

    def __init__(
        self, app: ASGIApp, entry: Entry, tell: Callable[[Request, Problem | psycopg.Error], Response]
    ) -> None:
        """`tell` answers whoever is not let in, with what is wrong."""
        self._app, self._entry, self._tell = app, entry, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._start(scope, receive, send)
        elif scope["type"] == "http":
            await self._let_in(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        why = await self._entry.may_start()
        if why is None:
            await self._app(scope, receive, send)
        else:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": why})

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            receive = await self._checked(scope, headers, receive)
        except Problem as problem:
            instead = to_sign_in(scope, headers) if problem.error == "token_needed" else None
            await (instead or self._tell(Request(scope), problem))(scope, receive, send)
            return
        except AWAY as error:
            # Who reads the metrics must be told which server is away, and not take this one for dead.
            asked = scope["path"] == metrics.PATH
            unknown = metrics.while_nobody_is_known(headers.get("accept", "")) if asked else None
            await (unknown or self._tell(Request(scope), error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        _check_host(headers, any_name=self._entry.needs_token(scope))
        _check_size(headers)
        changes = scope["method"] not in SAFE
        if changes:
            _check_origin(headers)
        caller = await self._entry.who(scope, headers)
        scope.setdefault("state", {})["caller"] = caller
        call_as(caller)
        return await _checked(headers, receive) if changes and scope["path"].startswith("/api/") else receive


def _check_size(headers: Headers) -> None:
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if size > _LARGEST_HEADERS or len(headers.raw) > _MOST_HEADERS:
        detail = f"The headers are too many or too large: {_MOST_HEADERS} of {_LARGEST_HEADERS} bytes in all, at most."
        raise Problem(431, "headers_too_large", detail, headers={"Connection": "close"})


def _check_host(headers: Headers, *, any_name: bool) -> None:
    # A page that rebinds its name to 127.0.0.1 sends its own name here. Where a token is needed it has none.
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not (any_name or _is_loopback(hosts[0])):
        raise Problem(421, "foreign_host", "This server answers to loopback names only: use http://127.0.0.1.")


def _is_loopback(host: str) -> bool:
    try:
        return bound.is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _check_origin(headers: Headers) -> None:
    origin = headers.get("origin")
    own = origin is None or bound.is_origin(origin, headers["host"])
    if not own or headers.get("sec-fetch-site") not in _OWN_SITES:
        raise Problem(403, "foreign_origin", "Another site's page may not do this. Use the dashboard, or a program.")


async def _checked(headers: Headers, receive: Receive) -> Receive:
    """The body, read and checked; it is told to the application in one piece."""
    content_type = headers.get("content-type")
    if content_type is not None and content_type.partition(";")[0].strip().lower() != "application/json":
        raise _not_json()
    try:
        with fail_after(_BODY_WITHIN_S):
            body = await _read(headers, receive)
    except TimeoutError:
        detail = f"The body did not come within {_BODY_WITHIN_S:g} s. Send it faster, or less of it."
        raise Problem(408, "body_too_slow", detail, headers={"Connection": "close"}) from None
    if body:
        if content_type is None:
            raise _not_json()
        check_body(body)
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _read(headers: Headers, receive: Receive) -> bytes:
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced[:20]) > _MOST_PASSED_OVER:
        raise _too_large()
    body, passed_over = bytearray(), 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        if len(body) + len(chunk) > LARGEST_BODY or passed_over:
            passed_over += len(chunk)
        else:
            body += chunk
        ended = message["type"] != "http.request" or not message.get("more_body", False)
        if passed_over and (ended or passed_over > _MOST_PASSED_OVER):
            raise _too_large()
        if ended:
            return bytes(body)


def _not_json() -> Problem:
    return Problem(415, "not_json", "Send the body as JSON, with the header Content-Type: application/json.")


def _too_large() -> Problem:
    detail = f"The body is larger than {LARGEST_BODY} bytes. Send less."
    return Problem(413, "too_large", detail, headers={"Connection": "close"})
