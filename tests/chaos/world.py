"""The system under test and everything that the driver holds of it."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any
from uuid import UUID

import psycopg
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from console.local.server import Server
from console.local.servers import Servers, embedded_servers
from console.problems import Problem
from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.clock import boottime
from shared.settings import addresses, read
from shared.store import processes
from shared.store.connection import Database
from shared.store.migrate import migrate
from tests.chaos.caps import Caps
from tests.chaos.members import CLOCK, Member, Supervisor, beat, signal_to, worker
from tests.chaos.proxy import Proxy

# The order of the clocks is production's; forty times as quick.
QUICK = {
    "SLOTBEAT_LEASE_SECONDS": "1.5",
    "SLOTBEAT_START_LEASE_SECONDS": "4",
    "SLOTBEAT_REAP_EVERY_S": "0.25",
    "SLOTBEAT_REAP_GRACE_S": "0.4",
    "SLOTBEAT_RECONCILE_EVERY_S": "0.5",
    "SLOTBEAT_ABORT_GRACE_S": "0.5",
    "SLOTBEAT_EXIT_GRACE_S": "3",
    "SLOTBEAT_SHUTDOWN_GRACE_S": "1",
    # Above the longest wait of Celery for a broker that has been away.
    "SLOTBEAT_LOOP_SILENT_S": "8",
    # Failing is what some of these schedules are for.
    "SLOTBEAT_FAILURE_STREAK_LIMIT": "1000",
    "SLOTBEAT_BREACH_STREAK_LIMIT": "1000",
}
# What a server or a gate that is away, or a deed that is refused, may answer to the driver.
REFUSALS = (psycopg.Error, RedisError, OperationalError, OSError, Problem)


@dataclass
class Frozen:
    """Payloads that were stopped together with their guards: nobody could end them meanwhile."""

    pids: frozenset[int]
    since: float
    until: float


@dataclass
class World:
    """Servers, wires, processes, and the driver's own way in."""

    servers: Servers
    wires: dict[str, Proxy]
    members: list[Member]
    database: Database
    admission: Admission
    installation: UUID
    witness: Path
    clock: Path
    caps: Caps = field(default_factory=Caps)
    frozen: list[Frozen] = field(default_factory=list)
    schedules: dict[UUID, str] = field(default_factory=dict)
    workspaces: list[UUID] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _timers: list[threading.Timer] = field(default_factory=list)
    _starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "starter"))

    # Parts -----------------------------------------------------------------------------------------

    @property
    def workers(self) -> list[Member]:
        return [it for it in self.members if it.name.startswith("worker")]

    @property
    def beats(self) -> list[Member]:
        return [it for it in self.members if it.name.startswith("beat")]

    # Deeds -----------------------------------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[Any]:
        return self.database.connection().execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    def write(self, query: str, *values: Any) -> int:
        return self.database.connection().execute(query, values).rowcount  # pyright: ignore[reportArgumentType]

    def tries(self, deed: Callable[[], object]) -> bool:
        """Whether it could be done; what is away or full just now may refuse."""
        try:
            deed()
        except REFUSALS as error:
            self.refused[type(error).__name__] += 1
            return False
        return True

    def later(self, seconds: float, deed: Callable[[], object]) -> float:
        """Does it after so many seconds, whatever the driver waits for meanwhile; when that will be."""

        def do() -> None:
            self.tries(deed)
            self.database.close()  # this thread's connection

        timer = threading.Timer(seconds, do)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        return boottime() + seconds

    def freeze(self, pids: Sequence[int], seconds: float) -> float:
        for pid in pids:
            signal_to(pid, SIGSTOP)
        return self.later(seconds, lambda: [signal_to(pid, SIGCONT) for pid in reversed(pids)])

    def revive(self, server: Server) -> None:
        """Starts a server that has ended meanwhile."""
        self.in_turn(lambda: None if server.running else server.start())

    def in_turn(self, deed: Callable[[], object]) -> None:
        """One after the other, by a thread that stays: a server ends with the thread that started it."""
        self._starter.submit(deed).result()

    def set_cap(self, key: str, cap: int | None) -> None:
        """Notes from when to when which cap may have been in force, whatever becomes of the deed."""
        self.caps.may_be(key, cap)
        if cap is None:
            self.admission.remove_limit(key, "chaos")
        else:
            self.admission.set_cap(key, cap, "chaos")
        self.caps.is_now(key, cap)

    def close(self) -> None:
        self._starter.shutdown()

    def calm(self) -> None:
        """Waits for the ends of all faults that last."""
        for timer in self._timers:
            timer.join()
        for wire in self.wires.values():
            wire.heal()


def behind(url: str, wire: Proxy) -> str:
    """The same server, through a wire that can be cut."""
    head, _, tail = url.rpartition(":")
    return f"{head}:{wire.port}/{tail.partition('/')[2]}"


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """Everything up and empty; at the end everything of it stopped."""
    with embedded_servers(folder / "servers", durable=True) as servers:
        wires = {"postgres": Proxy(servers.postgres.port), "redis": Proxy(servers.redis.port)}
        migrate(servers.database_url)
        os.environ |= {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, **QUICK}
        app = make_app("chaos")
        database = Database(servers.database_url, application="chaos")
        admission = Admission(database, addresses(), read(), app)
        made = processes.installation(database.connection())
        world = World(servers, wires, _members(folder), database, admission, made, folder / "witness", folder / CLOCK)
        world.clock.write_text("0")
        world.witness.touch(mode=0o666)
        try:
            yield world
        finally:
            for wire in wires.values():
                wire.close()
            world.close()
            admission.gate.redis.close()
            close_app(app)
            database.close()


def _members(folder: Path) -> list[Member]:
    return [
        worker(folder, "worker-plain", "-c", "4"),
        worker(folder, "worker-firings", "-Q", "firings", "-c", "3"),
        worker(folder, "worker-maintenance", "-Q", "maintenance", "-c", "2"),
        beat(folder, "beat-1"),
        beat(folder, "beat-2"),
    ]


@contextmanager
def running(world: World) -> Iterator[Supervisor]:
    """The fleet, up and serving, supervised; ended by force if the block fails."""
    through = {
        "DATABASE_URL": behind(world.servers.database_url, world.wires["postgres"]),
        "REDIS_URL": behind(world.servers.redis_url, world.wires["redis"]),
    }
    supervisor = Supervisor(world.members, {**os.environ, **through})
    for member in world.members:
        member.start(supervisor.environment)
    wait_until(lambda: len(processes.listing(world.database.connection())) >= len(world.members), 60)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        for member in world.members:
            for it in [*member.below(), None]:
                signal_to(member.pid if it is None else it.pid, SIGCONT)
            if member.lives:
                member.stop()


def wait_until(condition: Callable[[], object], within_s: float, every_s: float = 0.1) -> bool:
    """Whether it came true in time; a condition that cannot be asked just now is not true."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if condition():
                return True
        except REFUSALS:
            pass
        time.sleep(every_s)
    return False
