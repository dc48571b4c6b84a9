"""A small fleet on real servers, brought about the way workers do it, and a browser's way to its pages."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from console.pages import router
from shared.admission import Admission
from shared.answers import Full
from shared.celery_app import close_app, make_app
from shared.pressure import Pressure
from shared.rules.endings import Becomes, Report
from shared.settings import Settings, addresses
from shared.store import activity, attempts, firings, settlement, workspaces
from shared.store.connection import Database, Postgres
from tests.store.rows import end_attempt, measure

LEASE = timedelta(seconds=60)
OURS = {"sec-fetch-site": "same-origin"}
WORKER = {"id": "w1", "node": "celery@test", "pid": 7}


class SharedDatabase(Database):
    """One connection for all threads: requests come one at a time here, and their threads go away."""

    def connection(self) -> Postgres:
        known = self.__dict__.get("only")
        if known is None or known.closed:
            known = self.__dict__["only"] = super().connection()
        return known


class Scene:
    """The fleet, and what tests do to it."""

    def __init__(self, database: Database, admission: Admission, pressure: Pressure) -> None:
        self.database = database
        self.admission = admission
        self.app = FastAPI()
        self.app.state.database = database
        self.app.state.admission = admission
        self.app.state.pressure = pressure
        self.app.include_router(router)

    @property
    def sql(self) -> Postgres:
        return self.database.connection()

    def workspace(self, name: str = "lab", status: str = "online") -> UUID:
        values = {"name": name, "status": status, "native_scheduler": False, "health_url": None, "restart_url": None}
        return workspaces.add(self.sql, values)

    def schedule(self, workspace: UUID, name: str, **over: Any) -> UUID:
        made = uuid7()
        values: dict[str, Any] = {"cron": "0 9 * * *", "lane": None, "avg_duration_ms": None, **over}
        self.sql.execute(
            """
            insert into schedules (id, workspace_id, name, cron, lane, avg_duration_ms, target, next_run_at)
            values (%s, %s, %s, %s, %s, %s, %s, now() + interval '90 s')
            """,
            [made, workspace, name, values["cron"], values["lane"], values["avg_duration_ms"], Jsonb({})],
        )
        return made

    def queue(self, workspace: UUID, title: str, **over: Any) -> UUID:
        """A firing in line, or reserved if there is room."""
        values: dict[str, Any] = {
            "id": uuid7(),
            "schedule_id": None,
            "workspace_id": workspace,
            "source": "adhoc",
            "title": title,
            "prompt": "",
            "target": {},
            "priority": 5,
            "lane": None,
            "forced": False,
            "max_turns": None,
            "max_run_seconds": 600,
            "max_attempts": 1,
            "retry_backoff_s": 0,
            "schedule_revision": None,
        }
        firing = firings.ByHand(**{**values, **over})
        answer = self.admission.run_now(firing, activity.Deed("run", "test", {}), queue=not firing.forced)
        assert not isinstance(answer, Full)
        return firing.id

    def run(self, workspace: UUID, title: str, **over: Any) -> attempts.Attempt:
        """A firing that runs."""
        return self.claim(self.queue(workspace, title, **over))

    def claim(self, firing: UUID) -> attempts.Attempt:
        request = uuid4()
        self.admission.ask(lambda gate: gate.claim(firing, request, "w1", 60_000))
        by = attempts.Claimer(WORKER, None, self.admission.gate.epoch, LEASE)
        claimed = attempts.claim(self.sql, firing, request, by)
        assert isinstance(claimed, attempts.Attempt), claimed
        return claimed

    def settle(self, claimed: attempts.Attempt, reason: str | None = None, error: str | None = None) -> None:
        """Ends a running firing: completed, or failed for a reason."""
        status = "completed" if reason is None else "failed"
        with self.database.transaction() as connection:
            ended = settlement.lock_endings(connection, [claimed.token]).get(claimed.token)
            assert ended is not None
            assert end_attempt(connection, ended, Becomes(status, status), Report(reason, error))
            measure(connection, ended, turns=3, reason=reason)
        self.admission.hand_over(self.admission.ask(lambda gate: gate.release(claimed.firing_id, claimed.request_id)))

    def worker_signs(self, capacity: int = 4) -> None:
        self.admission.ask(lambda gate: gate.renew("w1", capacity, 60_000, []))

    # The pages, as a browser asks for them --------------------------------------------------------

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path, None, {})

    def press(self, path: str, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
        return self._ask("POST", path, form, OURS if headers is None else headers)

    def _ask(self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                return await client.request(method, path, data=form, headers=headers)

        return asyncio.run(asked())


@contextmanager
def scene_on(database_url: str, redis_url: str) -> Iterator[Scene]:
    database = SharedDatabase(database_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        patch.setenv("REDIS_URL", redis_url)
        app = make_app("test")
        admission = Admission(database, addresses(), Settings(), app)
        pressure = Pressure(redis_url, addresses().namespace)
    made = Scene(database, admission, pressure)
    try:
        made.worker_signs()
        yield made
    finally:
        admission.gate.redis.close()
        pressure.close()
        close_app(app)
        database.connection().close()
