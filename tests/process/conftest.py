"""A small fleet of real processes for a test: workers, beats, and hands to give them work."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.settings import Settings, addresses
from shared.store import activity, attempts, workspaces
from shared.store.connection import Database
from tests.receiver import Receiver, receiving
from tests.running import Start, Started
from tests.store.rows import by_hand
from tests.waiting import until
from workers import aside, shop
from workers.identity import this_worker
from workers.station import Station

ROOT = Path(__file__).resolve().parents[2]
# Everything forty times as quick as in production; the order of the clocks is the same.
QUICK = {
    "SLOTBEAT_LEASE_SECONDS": "1.5",
    "SLOTBEAT_REAP_EVERY_S": "0.25",
    "SLOTBEAT_REAP_GRACE_S": "0.4",
    "SLOTBEAT_RECONCILE_EVERY_S": "0.5",
    "SLOTBEAT_ABORT_GRACE_S": "0.5",
    "SLOTBEAT_EXIT_GRACE_S": "3",
}


@dataclass
class Fleet:
    """What a test holds in its hands."""

    database: Database
    admission: Admission
    environment: dict[str, str]
    begin: Start
    started: list[Started] = field(default_factory=list)

    def worker(self, name: str = "w1", *options: str, concurrency: int = 4) -> Started:
        node = f"{name}@test"
        # As `slotbeat worker` runs it: Celery's own command, without importing all the others.
        argv = ["python", "-m", "workers", "-n", node, "-l", "info"]
        # Without the second that a worker waits for others to say what they revoked.
        quiet = ("--without-mingle", "--without-gossip")
        made = self.begin(*argv, "-c", str(concurrency), *quiet, *options, env=self.environment, cwd=ROOT)
        self.started.append(made)
        return made

    def beat(self) -> Started:
        made = self.begin("python", "-m", "beat", "-l", "info", env=self.environment, cwd=ROOT)
        self.started.append(made)
        return made

    def workspace(self, name: str = "here", **over: Any) -> UUID:
        values = {"status": "online", "native_scheduler": False, "health_url": None, "restart_url": None}
        return workspaces.add(self.database.connection(), {"name": name, **values, **over})

    def schedule(self, workspace: UUID, name: str, argv: list[str], **over: Any) -> UUID:
        """Due at once, then at midnight on New Year's Eve, unless told otherwise."""
        made = uuid7()
        values: dict[str, Any] = {"cron": "0 0 31 12 *", "status": "active", "prompt": "", "due_in_s": 0.0, **over}
        due_in_s = float(values.pop("due_in_s"))
        target = values.pop("target", {"kind": "command", "argv": argv})
        columns = {"id": made, "workspace_id": workspace, "name": name, "target": Jsonb(target), **values}
        listed = ", ".join(columns)
        asked = ", ".join(f"%({it})s" for it in columns)
        self.database.connection().execute(
            f"insert into schedules ({listed}, next_run_at)"  # pyright: ignore[reportArgumentType]
            f" values ({asked}, now() + %(due_in)s)",
            {**columns, "due_in": timedelta(seconds=due_in_s)},
        )
        return made

    def claimed(self, workspace: UUID, **over: Any) -> attempts.Attempt:
        """A firing that runs, as far as gate and rows say."""
        self.admission.set_cap("fleet", 100, "test")
        firing = by_hand(workspace, **over)
        self.admission.run_now(firing, activity.Deed("run", "test", {}), queue=False)
        request = uuid4()
        self.admission.gate.claim(firing.id, request, "w", 60_000)
        by = attempts.Claimer({"id": "w"}, None, self.admission.gate.epoch, timedelta(seconds=60))
        claimed = attempts.claim(self.database.connection(), firing.id, request, by)
        assert isinstance(claimed, attempts.Attempt), claimed
        return claimed

    def rows(self, query: str, *values: Any) -> list[Any]:
        return self.database.connection().execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    def ended(self, count: int = 1, timeout_s: float = 30) -> list[Any]:
        """Waits until so many firings have ended; their title, status and reason, by title."""
        query = (
            "select title, status, failure_reason from firings"
            " where status in ('completed', 'failed', 'cancelled') order by title, number"
        )
        try:
            until(lambda: len(self.rows(query)) >= count, timeout_s)
        except AssertionError:
            told = "\n".join(it.text[-6000:] for it in self.started)
            raise AssertionError(f"{self.rows('select title, status, error from firings')}\n{told}") from None
        return self.rows(query)


@pytest.fixture
def fleet(database_url: str, redis_url: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **QUICK}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shop.open_up()  # a keeper of a test before this one may have closed it, in this process
    database = Database(database_url)
    app = make_app("tests")
    admission = Admission(database, addresses(), Settings(lease_seconds=1.5), app)
    yield Fleet(database, admission, {**os.environ, **environment}, start)
    admission.gate.redis.close()
    close_app(app)
    database.close()


@pytest.fixture
def station(fleet: Fleet) -> Iterator[Station]:
    """What a worker process has at hand, in this one; its settings are the test's to set."""
    app = make_app("station")
    made = Station(app, this_worker("station@test"))
    made.settings = Settings()
    made.refresh = lambda: made.settings
    yield made
    aside.end()
    made.close()
    close_app(app)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
