"""Who waits for a Postgres that is frozen is let go, by an error, within about five seconds."""

import os
import socket
import threading
from contextlib import closing, suppress
from typing import Any, NamedTuple
from weakref import WeakSet

import psycopg
from psycopg import OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.errors import ConnectionTimeout

from shared.clock import monotonic
from shared.events import trouble
from shared.store.connection import Database, Lasting, Postgres, connect, cut_after

# One that is busy is silent for as long too: it is asked on another connection before anybody is let go. Both
# together stay well below the ten seconds after which Prometheus would take a frozen server for an API that is down.
SILENT_S = 3.0
ANSWERS_WITHIN_S = 2.0
# Every statement has a timeout of 15 s: a backend that is silent for longer never answers, whoever else does.
AT_MOST_S = 20.0
LOOK_EVERY_S = 0.5
# One that could not be reached a moment ago costs the next caller no five seconds.
REMEMBERED_S = 2.0
_WORDS = "Postgres is silent: it is frozen, or its disk is, or something between us"


class Place(NamedTuple):
    """Where a connection leads: of several hosts, the one it has."""

    host: str
    hostaddr: str
    port: int


class LetGo(Lasting):
    """A connection that says since when it waits, and whose wait another thread can end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ending = threading.Lock()
        self._is_let_go = False
        self.waits_since: float | None = None
        # Of a connection that may be closed meanwhile, another thread asks nothing.
        self.place = Place(self.info.host, self.info.hostaddr, self.info.port)

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """As psycopg's own, through which everything goes that waits for the server."""
        self.waits_since = monotonic()
        try:
            return super().wait(*args, **kwargs)
        except OperationalError as error:
            if self._is_let_go:
                raise OperationalError(_WORDS) from error
            raise
        finally:
            with self._ending:
                self.waits_since = None

    def let_go(self, since: float) -> None:
        """Ends the wait that began then, if it is still that one: the connection is broken, and the next one is new.

        No timeout of TCP would: the machine of a frozen server acknowledges what it is sent.
        """
        with self._ending:
            if self.waits_since == since:
                self._is_let_go, self.waits_since = True, None
                # One that broke meanwhile has no socket any more.
                with suppress(OSError, OperationalError), socket.socket(fileno=os.dup(self.fileno())) as own:
                    own.shutdown(socket.SHUT_RDWR)


class WatchedDatabase(Database):
    """A database for those who answer people: none of its connections waits for a frozen server."""

    def __init__(self, database_url: str, *, application: str = "slotbeat", at_most_s: float = AT_MOST_S) -> None:
        super().__init__(database_url, application=application)
        self._at_most_s = at_most_s
        self._connections = WeakSet[LetGo]()
        self._answered_at: dict[Place, float] = {}
        self._away_until = float("-inf")
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None

    def _connect(self) -> Postgres:
        if monotonic() < self._away_until:
            raise OperationalError(_WORDS)
        try:
            made = connect(self.url, application=self._application, kind=LetGo)
        except ConnectionTimeout:
            self._away_until = monotonic() + REMEMBERED_S
            raise
        with self._lock:
            self._connections.add(made)
            if self._watch is None:
                self._watch = threading.Thread(target=self._watching, name="postgres watch", daemon=True)
                self._watch.start()
        return made

    def close(self) -> None:
        """Closes this thread's connection, and watches no more."""
        super().close()
        self._ended.set()
        if self._watch is not None:
            self._watch.join()

    def _watching(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 else nobody would be let go any more
                trouble("postgres.watch_failed", error)

    def _look(self) -> None:
        """Once at everybody who waits. A server is asked once for all of them: each question may take seconds."""
        with self._lock:
            waiting = [(it, it.waits_since) for it in self._connections]
        silent = set[Place]()
        for it, since in waiting:
            if since is not None and self._must_go(it.place, since, silent):
                it.let_go(since)

    def _must_go(self, place: Place, since: float, silent: set[Place]) -> bool:
        if monotonic() - max(since, self._answered_at.get(place, since)) < SILENT_S:
            return False
        if monotonic() - since > self._at_most_s or place in silent:
            return True
        if answers(self.url, place):
            self._answered_at[place] = monotonic()
            return False
        silent.add(place)
        return True


def answers(database_url: str, place: Place) -> bool:
    """Whether this very server says anything to somebody new."""
    here = {name: value for name, value in place._asdict().items() if value}
    url = make_conninfo(
        database_url,
        **here,
        target_session_attrs="any",
        connect_timeout=str(int(ANSWERS_WITHIN_S)),
        application_name="slotbeat asks",
    )
    try:
        asked = psycopg.connect(url, autocommit=True)
    except ConnectionTimeout:
        return False
    except psycopg.Error:
        # It has no room for us, or is gone, of which whoever waits is told without our help.
        return True
    with closing(asked):
        try:
            with cut_after(asked, ANSWERS_WITHIN_S):
                asked.execute("select 1")
        except OperationalError:
            return False
    return True
