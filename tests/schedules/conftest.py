"""Schedules over real servers by a clock that the test sets: whatever asks Postgres for now gets that."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from beat.due import tick
from beat.pauses import end_pauses
from console.api.schedule_form import ScheduleForm
from console.deeds import pausing, schedules
from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.settings import Settings, addresses
from shared.store import workspaces
from shared.store.connection import Database, Postgres, connect
from shared.store.schedules import Schedule

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
# Before pg_catalog in the search path, so that `now()` means this one in every statement of ours.
CLOCK = """
    create schema clock;
    create table clock.hand (at timestamptz not null);
    insert into clock.hand values ('2026-11-20 12:00:00+00');
    create function clock.now() returns timestamptz language sql stable as 'select at from clock.hand';
"""
TARGET = {"kind": "command", "argv": ["true"]}


@dataclass
class World:
    """A workspace, a beat in this process, people's deeds, and the hand of the clock."""

    admission: Admission
    rows: Postgres
    workspace: UUID

    @property
    def now(self) -> datetime:
        return self.one("select at from clock.hand")

    def set(self, now: datetime) -> None:
        self.rows.execute("update clock.hand set at = %s", [now])

    def later(self, **by: float) -> None:
        self.set(self.now + timedelta(**by))

    def all(self, query: str, *values: Any) -> list[Any]:
        return self.rows.execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    def one(self, query: str, *values: Any) -> Any:
        return self.all(query, *values)[0][0]

    def schedule(self, name: str = "hourly", **over: Any) -> Schedule:
        values = {"workspace_id": self.workspace, "name": name, "cron": "0 * * * *", "target": TARGET, **over}
        return schedules.create(self.admission.database, ScheduleForm.model_validate(values).values(), "me").schedule

    def edit(self, schedule: UUID, **values: Any) -> Schedule:
        return schedules.edit(self.admission.database, schedule, values, "me").schedule

    def pause(self, schedule: UUID, **wish: Any) -> None:
        pausing.pause(self.admission, schedule, pausing.Pause(**wish), "me")

    def resume(self, schedule: UUID) -> None:
        pausing.resume(self.admission, schedule, "me")

    def beat(self) -> None:
        """One pass of a beat."""
        end_pauses(self.admission)
        while tick(self.admission, Settings()).more:
            pass

    def fired(self, schedule: UUID) -> list[datetime]:
        found = self.all("select nominal_at from firings where schedule_id = %s order by nominal_at", schedule)
        return [at for (at,) in found]

    def skips(self, schedule: UUID) -> list[tuple[datetime, datetime, int, str]]:
        query = "select first_at, last_at, count, reason from skips where schedule_id = %s order by first_at"
        return self.all(query, schedule)

    def is_(self, schedule: UUID) -> str:
        return self.one("select status from schedules where id = %s", schedule)


@pytest.fixture
def world(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    with connect(database_url) as rows:
        rows.execute(CLOCK)  # pyright: ignore[reportArgumentType]
        name = sql.Identifier(str(conninfo_to_dict(database_url)["dbname"]))
        rows.execute(sql.SQL("alter database {} set search_path = clock, public, pg_catalog").format(name))
    database, app = Database(database_url), make_app("tests")
    admission = Admission(database, addresses(), Settings(), app)
    values = {"name": "here", "status": "online", "native_scheduler": False, "health_url": None, "restart_url": None}
    yield World(admission, database.connection(), workspaces.add(database.connection(), values))
    admission.gate.redis.close()
    close_app(app)
    database.close()
