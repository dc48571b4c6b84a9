"""Statements that are sent in one go: a pipeline over libpq, whose caller pays a quarter of what psycopg's costs."""

import re
import select
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

from psycopg import Error, ProgrammingError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus

from shared.store.connection import Postgres, meant

_Given = Sequence[Any] | Mapping[str, Any] | None
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED, ExecStatus.BAD_RESPONSE)
_NO_SUCH_STATEMENT = b"26000"
_PLACE = re.compile(r"%(?:\((\w+)\)s|s|%)")


@contextmanager
def sent_together(connection: Postgres, ahead: Callable[[Postgres], object] | None = None) -> Iterator[None]:
    """A transaction whose statements do not wait for each other's answers: only a fetch waits, a rowcount, and the end.

    `ahead` is a transaction of its own, sent before this one and not waited for either: it stands, whatever becomes of
    what follows. The error of a statement is raised by the next fetch, or at the end.
    """
    usual = connection.cursor_factory
    sent = _Sent(connection)
    try:
        connection.cursor_factory = sent.cursor  # pyright: ignore[reportAttributeAccessIssue]
        connection.execute("begin")
        if ahead is not None:
            ahead(connection)
            connection.execute("commit and chain")
        yield
        connection.execute("commit")
        sent.sync()
        sent.leave()
    except Exception:
        sent.give_up()
        raise
    except BaseException:  # this process is about to end, and waits for nobody
        connection.close()
        raise
    finally:
        connection.cursor_factory = usual


class _Sent:
    """What was sent over a connection and is not answered yet."""

    def __init__(self, connection: Postgres) -> None:
        self._connection = connection
        self._line = connection.pgconn
        self._names = _PREPARED.setdefault(connection, {})
        self._asked: deque[_Execution | _Key] = deque()
        self._socket = select.poll()
        self.transformer = Transformer(connection)
        self._line.enter_pipeline_mode()

    def cursor(self, _: Postgres, *, row_factory: Callable[[Any], Any]) -> "_Cursor":
        """In place of psycopg's, for as long as the block lasts."""
        return _Cursor(self, row_factory)

    def send(self, query: str, given: _Given, cursor: "_Cursor") -> None:
        """Sends one statement, prepared when it is first met; the cursor is told its result by a sync."""
        words, values = _written(query, given)
        told = self.transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        self._execute(_Execution(_Key(words, self.transformer.types), told, self.transformer.formats, cursor))

    def _execute(self, it: "_Execution") -> None:
        name = self._names.get(it.key)
        if name is None:
            name = self._names[it.key] = b"together_%d" % next(_NUMBERS)
            self._line.send_prepare(name, *it.key)
            self._asked.append(it.key)
        self._line.send_query_prepared(name, it.told, it.formats)
        self._asked.append(it)

    def sync(self) -> None:
        """Hears all answers; raises the first error among them, when the server has heard of it too.

        A Sync, and not a flush alone: to a server that was not told it its client is still at work, and no timeout of
        its own would ever end the transaction of a process that is frozen there, or whose host is gone.
        """
        sent = [it for it in self._asked if isinstance(it, _Execution)]
        failed = self._hear()
        # psycopg drops all statements of a connection with each transaction that it takes back. Where even the first of
        # a block was not known, no transaction has begun, and nothing of it was done.
        if failed is not None and failed.error_field(DiagnosticField.SQLSTATE) == _NO_SUCH_STATEMENT:
            self._names.clear()
            if self._line.transaction_status == TransactionStatus.IDLE:
                for it in sent:
                    self._execute(it)
                failed = self._hear()
        if failed is not None:
            error = error_from_result(failed)
            if (told := meant(error)) is not error:
                self._connection.close()
            raise told

    def _hear(self) -> Any:
        """Gives each cursor its result, up to the Sync; answers the first that is an error, or None."""
        self._line.pipeline_sync()
        failed = None
        while (result := self._next()) is not None:
            asked = self._asked.popleft()
            if result.status in _FAILED:
                failed = failed or result
                if isinstance(asked, _Key):
                    del self._names[asked]
            elif isinstance(asked, _Execution):
                asked.cursor.pgresult = result
        return failed

    def _next(self) -> Any:
        """The next statement's result; None at the Sync."""
        while True:
            while (unsent := self._line.flush()) or self._line.is_busy():
                self._socket.register(self._line.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
                self._socket.poll()
                self._line.consume_input()
            result = self._line.get_result()
            if result is not None:
                return None if result.status == ExecStatus.PIPELINE_SYNC else result

    def leave(self) -> None:
        """Back to one statement after the other."""
        self._line.exit_pipeline_mode()

    def give_up(self) -> None:
        """Back to where the connection was before, after an error; closes it where that cannot be."""
        try:
            if self._asked:
                with suppress(Error):
                    self.sync()
            self.leave()
            self._connection.rollback()
        except Error:
            self._connection.close()


class _Cursor:
    """As much of psycopg's cursor as one statement needs, and its row factories."""

    def __init__(self, sent: _Sent, row_factory: Callable[[Any], Any]) -> None:
        self._sent = sent
        self._row_factory = row_factory
        self._encoding = "utf-8"
        self._rows: Iterator[Any] | None = None
        self.pgresult: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def execute(self, query: str, given: _Given = None, **_: object) -> Self:
        self._rows = self.pgresult = None
        self._sent.send(query, given, self)
        return self

    def fetchone(self) -> Any:
        return next(self._left(), None)

    def fetchall(self) -> list[Any]:
        return list(self._left())

    @property
    def rowcount(self) -> int:
        return self._answer().command_tuples or 0

    def _answer(self) -> Any:
        if self.pgresult is None:
            self._sent.sync()
        return self.pgresult

    def _left(self) -> Iterator[Any]:
        if self._rows is None:
            answer, load = self._answer(), self._sent.transformer
            load.set_pgresult(answer)
            self._rows = iter(load.load_rows(0, answer.ntuples, self._row_factory(self)))
        return self._rows


class _Key(NamedTuple):
    words: bytes
    types: Any


class _Execution(NamedTuple):
    key: _Key
    told: Sequence[Any]
    formats: Any
    cursor: _Cursor


# By connection: the names of the statements that it has prepared, by their words and the types of their parameters.
_PREPARED: WeakKeyDictionary[Postgres, dict[_Key, bytes]] = WeakKeyDictionary()
_NUMBERS = count()


def _written(query: str, given: _Given) -> tuple[bytes, Sequence[Any]]:
    """A statement's words and values as libpq takes them."""
    if given is None:
        return query.encode(), ()
    words, names = _numbered(query)
    if isinstance(given, Mapping):
        return words, [given[name] for name in names]
    if len(given) != len(names):
        raise ProgrammingError(f"the query has {len(names)} placeholders but {len(given)} parameters were passed")
    return words, given


@lru_cache
def _numbered(query: str) -> tuple[bytes, Sequence[str]]:
    """psycopg's %s and %(name)s as $1, $2 and on; and their names. The same name is the same parameter."""
    names: list[str] = []

    def place(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1] or f"{len(names)}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PLACE.sub(place, query).encode(), tuple(names)
