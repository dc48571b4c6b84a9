"""Targets and budgets with real workers: what a callee can refuse, where no secret is, what a spent budget stops."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.process.conftest import Fleet
from tests.waiting import until

SECRET = "swordfish-9f8e7d6c5b4a"
TURNS = ["sh", "-c", 'for i in 1 2 3 4 5; do echo \'{"type": "turn"}\'; done']


@dataclass
class Callee:
    """Keeps the highest token of each firing, and refuses a lower one; busy when it is first asked."""

    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    highest: dict[str, int] = field(default_factory=dict[str, int])

    def answer(self, headers: dict[str, str]) -> int:
        self.seen.append(headers)
        firing, token = headers["Idempotency-Key"], int(headers["Slotbeat-Token"])
        if token < self.highest.get(firing, 0):
            return 409
        self.highest[firing] = token
        return 503 if len(self.seen) == 1 else 200


@pytest.fixture
def callee() -> Iterator[Callee]:
    there = Callee()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = f"you came with {self.headers['Authorization']}".encode()
            self.send_response(there.answer(dict(self.headers)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://127.0.0.1:{server.server_port}/"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield there
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_callee_refuses_an_older_attempt_and_no_secret_is_kept_anywhere(fleet: Fleet, callee: Callee) -> None:
    """The token fences callees; a secret by reference is in no row, no key, no message and no log."""
    fleet.environment |= {
        "SLOTBEAT_ALLOWED_NETWORKS": "127.0.0.0/8",
        "SLOTBEAT_ALLOWED_SECRETS": "CALLEE_*",
        "CALLEE_KEY": SECRET,
    }
    target = {"kind": "http", "url": callee.url, "headers": {"Authorization": {"$env": "CALLEE_KEY"}}}
    fleet.schedule(fleet.workspace(), "calls", [], target=target, max_attempts=2, retry_backoff_s=0)
    worker = fleet.worker()
    fleet.beat()

    assert fleet.ended(timeout_s=50) == [("calls", "completed", None)]

    first, second = callee.seen
    assert (first["Authorization"], second["Authorization"]) == (SECRET, SECRET)
    assert first["Idempotency-Key"] == second["Idempotency-Key"]
    assert int(first["Slotbeat-Token"]) < int(second["Slotbeat-Token"])
    assert (first["Slotbeat-Attempt"], second["Slotbeat-Attempt"]) == ("1", "2")
    late = {name: it for name, it in first.items() if name.startswith(("Slotbeat", "Idempotency", "Auth"))}
    assert httpx.post(callee.url, headers=late, json={}).status_code == 409, "the older one has no say any more"

    assert fleet.rows("select result from firings") == [("you came with [CALLEE_KEY]",)]
    for (table,) in fleet.rows("select table_name from information_schema.tables where table_schema = 'public'"):
        assert SECRET not in json.dumps(fleet.rows(f"select to_jsonb(t) from {table} t"), default=str), table
    assert not worker.says(SECRET)
    redis: Any = fleet.admission.gate.redis
    assert SECRET.encode() not in b"".join(redis.dump(key) or b"" for key in redis.keys("*"))


def test_a_budget_that_is_used_up_makes_skips_and_is_told_once(fleet: Fleet) -> None:
    """At 100 % occurrences become skips, with one alert."""
    schedule = fleet.schedule(fleet.workspace(), "spends", TURNS, budget_turns=5)
    fleet.worker()
    fleet.beat()
    assert fleet.ended(timeout_s=50) == [("spends", "completed", None)]
    until(lambda: fleet.rows("select kind from alerts") == [("budget_used_up",)], 20)

    fleet.database.connection().execute("update schedules set next_run_at = now(), revision = revision + 1")

    until(lambda: fleet.rows("select reason from skips where schedule_id = %s", schedule) == [("budget",)], 20)
    assert fleet.rows("select count(*) from firings") == [(1,)]
    assert fleet.rows("select turns, is_reserved from spend") == [(5, False)]


def test_a_command_that_is_told_to_come_back_later_does(fleet: Fleet) -> None:
    """Of two errors the last counts, as for the reason."""
    errors = [{"type": "error", "reason": "rate_limited", "retry_after_s": it, "message": "busy"} for it in (9, 1000)]
    said = "\n".join(map(json.dumps, errors))
    command = ["sh", "-c", f"echo '{said}'; exit 1"]
    fleet.schedule(fleet.workspace(), "told", command, max_attempts=2, retry_backoff_s=5)
    fleet.worker()
    fleet.beat()

    waits = "select extract(epoch from not_before - now())::float8 from firings where not_before > now()"
    [(left_s,)] = until(lambda: fleet.rows(waits), 30)

    assert 900 < left_s <= 1100
