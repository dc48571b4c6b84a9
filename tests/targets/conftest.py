"""What the tests of targets share: guards, terms, somebody to call, and a voice that is listened to."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shared.clock import boottime
from shared.rules.allowed import Allowed
from tests.guard.scenes import INSTALLATION
from workers.adapters.events import Event
from workers.calls.runner import Order
from workers.guards import Guards
from workers.outcome import Outcome
from workers.targets import execute
from workers.targets.terms import Terms

HERE = ("127.0.0.0/8",)
VARIABLES = {
    "SLOTBEAT_INSTALLATION": INSTALLATION,
    "SLOTBEAT_FIRING_ID": "0199a213-81c0-7800-8aa1-bbab2a035a53",
    "SLOTBEAT_ATTEMPT": "2",
    "SLOTBEAT_TOKEN": "7",
    "SLOTBEAT_SCHEDULE": "nächtlich",
    "SLOTBEAT_WORKSPACE": "here",
    "SLOTBEAT_NOMINAL_AT": "2026-11-20T03:00:00+00:00",
    "SLOTBEAT_MAX_TURNS": "",
}


@pytest.fixture
def guards() -> Iterator[Guards]:
    ours = Guards(INSTALLATION)
    yield ours
    ours.close()


def terms(**more: Any) -> Terms:
    now = boottime()
    given: dict[str, Any] = {"allowed": Allowed(networks=HERE), **more}
    return Terms({**VARIABLES}, now + 50, now + 50, 5, token=7, **given)


def order(kind: str, target: dict[str, Any], prompt: str = "do it", **more: Any) -> Order:
    given: dict[str, Any] = {"networks": list(HERE), **more}
    return Order(kind, target, prompt, dict(VARIABLES), **given)


def run(guards: Guards, target: dict[str, Any], within: Terms | None = None) -> tuple[Outcome, list[Event]]:
    """A target under a real guard, as a worker has it."""
    events: list[Event] = []
    return execute(target, "do it", within or terms(), guards, events.extend), events


class Ear:
    """In place of the runner's pipe."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.refs: list[str] = []

    def say(self, event: Any) -> None:
        self.said.append(json.loads(event) if isinstance(event, str) else event)

    def ref(self, ref: str) -> None:
        self.refs.append(ref)


@dataclass
class Asked:
    """A request as the called one saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Called:
    """A real HTTP server whose answers a test writes."""

    url: str
    asked: list[Asked] = field(default_factory=list[Asked])
    answer: Callable[[Asked], Answer] = field(default=lambda _: (200, {}, b"done"))
    # Set by a test that keeps a request open; the server waits for it before it answers.
    hold: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def called() -> Iterator[Called]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            there.asked.append(asked)
            there.hold.wait(20)
            status, headers, body = there.answer(asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 the names are the library's

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is the library's
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # whoever was aborted has hung up

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    there = Called(f"http://127.0.0.1:{server.server_port}")
    there.hold.set()
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield there
    there.hold.set()
    server.shutdown()
    serving.join()
    server.server_close()
