"""How a process reaches Postgres: with timeouts on everything, and a new connection after a lost one."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from psycopg import Connection, Error, OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.errors import FeatureNotSupported, IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow

Postgres = Connection[TupleRow]

# What comes of a server that is away for now. Psycopg counts two of these among the faults of who asks: the server
# writes nothing, as a standby that nobody has promoted yet; or it waited too long for us within a transaction.
AWAY = (OperationalError, ReadOnlySqlTransaction, IdleInTransactionSessionTimeout)

# A server that does not answer must not hold a caller for longer than a heartbeat lease.
_TIMEOUTS = {
    "connect_timeout": "5",
    "tcp_user_timeout": "6000",
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
}
_SERVER_TIMEOUTS = (
    "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=5000 -c timezone=UTC"
)
# Workers and beat find each row by an index. Statistics of a table that was empty a minute ago say that reading all of
# it is cheaper, a plan is kept for a session, and what was cheap is quadratic by the time that anybody analyzes.
_BY_INDEX = " -c enable_seqscan=off"


def meant(error: Error) -> Error:
    """An OperationalError for a statement whose answer a migration has changed: prepared, it is refused for ever."""
    if error.diag.source_function != "RevalidateCachedQuery":
        return error
    return OperationalError(f"another connection is needed: {error}")


class Lasting(Connection[TupleRow]):
    """A connection that is closed by what would be refused on it for ever, and not on the next one."""

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """As psycopg's own, through which everything goes that waits for the server."""
        try:
            return super().wait(*args, **kwargs)
        except FeatureNotSupported as error:
            if (told := meant(error)) is error:
                raise
            self.close()
            raise told from error


_Kind = TypeVar("_Kind", bound=Postgres)


def connect(
    database_url: str,
    *,
    application: str = "slotbeat",
    by_index: bool = False,
    kind: type[_Kind] = Lasting,
) -> _Kind:
    """A connection in autocommit mode; raises psycopg.OperationalError when there is none to be had.

    With `by_index`, no table is read from end to end as long as an index serves.
    """
    options = _SERVER_TIMEOUTS + (_BY_INDEX if by_index else "")
    conninfo = make_conninfo(database_url, **_TIMEOUTS, application_name=application, options=options)
    return kind.connect(conninfo, autocommit=True, prepare_threshold=2)


@contextmanager
def cut_after(connection: Postgres, seconds: float) -> Iterator[None]:
    """Ends the block with an OperationalError where the server keeps it waiting for longer.

    A server that is frozen, or whose disk is, acknowledges what it is sent and never answers: no timeout of TCP
    notices, and none of its own. The connection is broken then, and the next one has a timeout.
    """
    own = socket.socket(fileno=os.dup(connection.fileno()))
    timer = threading.Timer(seconds, _shut, [own])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        own.close()


def _shut(own: socket.socket) -> None:
    with suppress(OSError):
        own.shutdown(socket.SHUT_RDWR)


def _is_of_no_use(known: Postgres) -> bool:
    """Whether nothing comes of it, though it is open.

    It owes an answer that nobody waits for, since whoever waited was interrupted: by a signal, or by a socket that had
    an error and nothing to be read yet. Or its server is a standby, or was made read-only, as it says itself.
    """
    status = known.info.transaction_status
    if status == TransactionStatus.ACTIVE:
        return known.info.pipeline_status == PipelineStatus.OFF
    if status != TransactionStatus.IDLE:
        return False
    told = (known.info.parameter_status(it) for it in ("in_hot_standby", "default_transaction_read_only"))
    return "on" in told


class Database:
    """One connection per thread, made when it is first needed and again after it broke."""

    def __init__(self, database_url: str, *, application: str = "slotbeat", by_index: bool = False) -> None:
        self.url = database_url
        self._application, self._by_index = application, by_index
        self._own = threading.local()

    def connection(self) -> Postgres:
        """This thread's connection; one that is broken, or of no use, is replaced."""
        known: Postgres | None = getattr(self._own, "connection", None)
        if known is not None and not known.closed and _is_of_no_use(known):
            known.close()
        if known is None or known.closed or known.broken:
            known = self._own.connection = self._connect()
        return known

    def _connect(self) -> Postgres:
        return connect(self.url, application=self._application, by_index=self._by_index)

    @contextmanager
    def transaction(self) -> Iterator[Postgres]:
        """This thread's connection inside a transaction, committed at the end of the block."""
        connection = self.connection()
        with connection.transaction():
            yield connection

    def close(self) -> None:
        """Closes this thread's connection."""
        known: Any = getattr(self._own, "connection", None)
        if known is not None:
            known.close()
            self._own.connection = None
