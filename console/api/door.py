"""Who may come in: our own Host names and Origins; and what a body may be before anybody reads it (SEC-1)."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.api.answers import answer
from console.api.intake import LARGEST_BODY, check_body
from console.problems import Problem

_SAFE = {"GET", "HEAD", "OPTIONS"}
# A caller that still sends cannot hear the answer: what is not much too large is read to its end, and forgotten.
_MOST_PASSED_OVER = 8 * LARGEST_BODY
_OWN_SITES = {None, "same-origin", "none"}


class Door:
    """Refuses what must not come in with a problem; what comes in has a checked body, kept in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            _check_host(headers)
            if scope["method"] not in _SAFE:
                _check_origin(headers)
                if scope["path"].startswith("/api/"):
                    receive = await _checked(headers, receive)
        except Problem as problem:
            await answer(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _check_host(headers: Headers) -> None:
    # A page that rebinds its name to 127.0.0.1 sends its own name here.
    if len(headers.getlist("host")) != 1 or not _is_loopback(headers["host"]):
        raise Problem(421, "foreign_host", "This server answers to loopback names only: use http://127.0.0.1.")


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_origin(headers: Headers) -> None:
    origin = headers.get("origin")
    own = origin is None or urlsplit(origin)[:2] in (("http", headers["host"]), ("https", headers["host"]))
    if not own or headers.get("sec-fetch-site") not in _OWN_SITES:
        raise Problem(403, "foreign_origin", "Another site's page may not do this. Use the dashboard, or a program.")


async def _checked(headers: Headers, receive: Receive) -> Receive:
    """The body, read and checked; it is told to the application in one piece."""
    content_type = headers.get("content-type")
    if content_type is not None and content_type.partition(";")[0].strip().lower() != "application/json":
        raise _not_json()
    body = await _read(headers, receive)
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
