"""Where the API is: a running server, or this process; both are asked in the same way."""

import json
import os
from collections.abc import Iterator, Mapping
from getpass import getuser
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import click
import httpx

from console.cli.failures import Failure, of_answer
from console.cli.once import ONCE

_MOST_ITEMS = 200
_TIMEOUT_S = 30.0
_SUCCESS = range(200, 300)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Transport(Protocol):
    """One way to the API."""

    def send(self, request: httpx.Request) -> httpx.Response: ...
    def follow(self, path: str) -> Iterator[dict[str, Any]]: ...
    def close(self) -> None: ...


class Server:
    """The API, asked with JSON; what it refuses is a Failure."""

    def __init__(self, transport: Transport, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self._transport = transport
        self.headers = {**headers, "Slotbeat-Actor": _whoami()}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON; None where it has none."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {**self.headers, **(headers or {})}
        # Not by httpx: what a terminal gave us may hold bytes that are no text, which only escapes can carry.
        content = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = httpx.Request(method, self.url + path, params=params, headers=headers, content=content)
        answer = self._transport.send(request)
        told = _json(answer)
        if answer.status_code not in _SUCCESS:
            raise of_answer(answer.status_code, told)
        return told

    def start(self, path: str, body: Any = None, *, force: bool, queue: bool) -> Any:
        """Starts a firing, once: where the answer is lost on its way, asking again cannot start another."""
        query = {"force": force or None, "queue": queue or None}
        return self.ask("POST", path, body, query=query, headers={ONCE: str(uuid4())})

    def every(self, path: str, most: int = 10_000, **query: Any) -> list[Any]:
        """The items of a listing, part by part, at most so many."""
        found: list[Any] = []
        cursor = None
        while len(found) < most:
            asked = {**query, "limit": min(_MOST_ITEMS, most - len(found)), "cursor": cursor}
            part = self.ask("GET", path, query=asked)
            found += part["items"]
            cursor = part["next_cursor"]
            if cursor is None:
                break
        return found

    def follow(self, firing: str) -> Iterator[dict[str, Any]]:
        """The events of a firing as they come, until it ends."""
        return self._transport.follow(f"/api/firings/{firing}/events")

    def is_by(self, kind: type) -> bool:
        """Whether it is asked in this way."""
        return isinstance(self._transport, kind)

    def close(self) -> None:
        """Gives up connections."""
        self._transport.close()


def server(context: click.Context) -> Server:
    """The server this command speaks to, closed when the command ends."""
    if "server" not in context.obj:
        context.obj["server"] = _find(Path(context.obj["folder"]))
        context.call_on_close(context.obj["server"].close)
    return context.obj["server"]


def _find(folder: Path) -> Server:
    known = remote(folder)
    if known is not None:
        return known
    if not os.environ.get("DATABASE_URL"):
        raise Failure(f"Nothing runs in {folder}. Start it with `slotbeat up`, or set SLOTBEAT_URL.")
    from console.cli.inside import Inside

    return Server(Inside(), "http://localhost", {})


def remote(folder: Path, timeout_s: float = _TIMEOUT_S) -> Server | None:
    """The server that the environment names, or that runs in the folder; None where neither is."""
    from console.local.state import read

    url = os.environ.get("SLOTBEAT_URL", "").rstrip("/")
    token = _own_token()
    state = None if url else read(folder)
    if not url and not state:
        return None
    from console.cli.remote import Remote

    address = url or (state.api_url if state else "")
    if not urlsplit(address).hostname or not address.startswith(("http://", "https://")):
        raise Failure(f"SLOTBEAT_URL is no address: {address}. Write it as in http://127.0.0.1:8000.", 2)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    proxied = urlsplit(address).hostname not in _LOOPBACK
    return Server(Remote(address, headers, timeout_s, proxied=proxied), address, headers)


def _own_token() -> str | None:
    """Ours, if there is one; inside a payload the variable has its attempt's token, which is a number."""
    given = os.environ.get("SLOTBEAT_TOKEN", "").strip()
    return None if not given or given.isdigit() else given


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None


def _whoami() -> str:
    try:
        name = getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"cli:{name}".encode("ascii", "replace").decode()[:100]
