"""What a process that runs firings has at hand: connections, guards, the settings as they stand."""

import os
import socket
import threading
from contextlib import suppress

from celery import Celery

from shared import settings as knobs
from shared.admission import Admission
from shared.clock import monotonic
from shared.pressure import Pressure
from shared.store import processes
from shared.store import settings as settings_table
from shared.store.connection import AWAY, Database
from workers.guards import Guards
from workers.identity import Worker

_SETTINGS_GOOD_FOR_S = 3.0
_STREAMS_GOOD_FOR_S = 1.0


class Station:
    """One per process; a forked child makes its own (see `station`)."""

    def __init__(self, app: Celery, worker: Worker) -> None:
        where = knobs.addresses()
        self.worker = worker
        self.database = Database(where.database_url, application=f"slotbeat {worker.node}"[:63], by_index=True)
        self.settings = knobs.read(told=False)  # with the table, in a moment
        self._read_at = self._streams_at = float("-inf")
        self._streams: int | None = None
        self.admission = Admission(self.database, where, self.settings, app)
        self.pressure = Pressure(where.redis_url, where.namespace)
        self.refresh()
        self.installation = processes.installation(self.database.connection())
        self.guards = Guards(str(self.installation))

    def refresh(self) -> knobs.Settings:
        """The settings, at most a few seconds old; the last ones known while Postgres is away."""
        if monotonic() - self._read_at > _SETTINGS_GOOD_FOR_S:
            is_main = os.getpid() == self.worker.pid  # it names what is not valid, and its pool is silent
            with suppress(*AWAY):
                self.settings = knobs.read(table=settings_table.load(self.database.connection()), told=is_main)
                self._read_at = monotonic()
                self.admission.use(self.settings)
        return self.settings

    def streams(self) -> int | None:
        """How many people are talking, as of a second ago at most; None where nobody can say."""
        if monotonic() - self._streams_at > _STREAMS_GOOD_FOR_S:
            seen = self.pressure.seen()
            self._streams = None if seen is None else seen.count
            self._streams_at = monotonic()
        return self._streams

    def tell_keeper(self, word: bytes) -> None:
        """One word to the keeper in Celery's main process; it may be gone, and then so are we soon."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(1)
            line.connect("\0" + self.worker.keeper[1:])
            line.sendall(word + b"\n")

    def close(self) -> None:
        """Ends the spare guards and this thread's connection."""
        self.guards.close()
        self.database.close()
        self.admission.gate.redis.close()
        self.pressure.close()


_worker: Worker | None = None
_stations: dict[int, Station] = {}
_making = threading.Lock()


def be(worker: Worker) -> None:
    """Says who this process, and those that it forks, work for."""
    global _worker  # noqa: PLW0603 set once, before the pool is forked, which inherits it
    _worker = worker


def station(app: Celery) -> Station:
    """This process's station, made when it is first asked for."""
    if _worker is None:
        raise RuntimeError("no worker yet: start it with `celery -A workers worker`")
    with _making:
        made = _stations.get(os.getpid())
        if made is None:
            _stations.clear()  # what was the parent's; its connections are not to be touched here
            made = _stations[os.getpid()] = Station(app, _worker)
        return made


def close() -> None:
    """Closes this process's station, if it has one."""
    made = _stations.pop(os.getpid(), None)
    if made is not None:
        made.close()


def _after_fork() -> None:
    global _making  # noqa: PLW0603 the parent may have held it at this moment
    _making = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
