"""The servers and rows that a benchmark stands on: durable, as in production, and gone afterwards."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from celery import Celery

from console.local.servers import Servers, embedded_servers
from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.settings import Addresses, Settings
from shared.store import limits, workspaces
from shared.store.connection import Database
from shared.store.migrate import migrate


@dataclass
class Stage:
    """Fresh servers, migrated; nothing is due, nobody works."""

    servers: Servers
    where: Addresses
    settings: Settings
    app: Celery
    database: Database
    admission: Admission

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """One statement of the benchmark's own, such as those that fill tables."""
        cursor = self.database.connection().execute(statement, values)  # pyright: ignore[reportArgumentType]
        return cursor.fetchall() if cursor.description else []

    def cap(self, key: str, cap: int) -> None:
        """Writes a cap in Postgres and the gate."""
        self.admission.set_cap(key, cap, "bench")

    def workspace(self, name: str) -> UUID:
        """A workspace that is online."""
        values = {"name": name, "status": "online", "native_scheduler": False, "health_url": None, "restart_url": None}
        return workspaces.add(self.database.connection(), values)


@contextlib.contextmanager
def stage(settings: Settings | None = None) -> Iterator[Stage]:
    """Durable servers in a temporary folder, stopped and removed at the end."""
    settings = settings or Settings()
    with tempfile.TemporaryDirectory(prefix="slotbeat-bench-") as folder, embedded_servers(Path(folder)) as servers:
        where = Addresses(servers.database_url, servers.redis_url, servers.redis_url, "slotbeat")
        # For what reads its addresses itself, here and in the processes that a benchmark starts.
        os.environ.update(DATABASE_URL=where.database_url, REDIS_URL=where.redis_url)
        migrate(where.database_url)
        app = make_app("bench", where)
        database = Database(where.database_url, application="slotbeat bench", by_index=True)
        # Filling ten thousand rows is no part of what is measured, and may take its time.
        database.connection().execute("set statement_timeout = '900s'")
        admission = Admission(database, where, settings, app)
        admission.make_whole()
        made = Stage(servers, where, settings, app, database, admission)
        made.cap(limits.FLEET, 2)
        yield made
        admission.gate.redis.close()
        database.close()
        close_app(app)
