"""A plug-in for pytest in a copy: lends it servers that run already, with more patience than a test has."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import psycopg
from psycopg import sql

from tests import databases, waiting

LENT = "MUTATION_SERVERS"
# Several lanes at once make a busy machine: what a test waits for may take so much longer.
PATIENCE = 4
_embedded, _until = databases.embedded_servers, waiting.until
Seen = TypeVar("Seen")


def pytest_configure() -> None:
    if LENT in os.environ:
        for module, name, ours in ((databases, "embedded_servers", embedded_or_lent), (waiting, "until", until)):
            setattr(module, name, ours)


def until(condition: Callable[[], Seen], timeout_s: float = 10) -> Seen:
    return _until(condition, timeout_s * PATIENCE)


@contextmanager
def embedded_or_lent(folder: Path, durable: bool = True) -> Iterator[object]:
    """Servers that a test may kill are its own; those of the session are emptied first."""
    if durable:
        with _embedded(folder, durable) as started:
            yield started
        return
    database_url, redis_url = os.environ[LENT].split()
    empty(database_url)
    elsewhere = SimpleNamespace(pid=0)
    yield SimpleNamespace(database_url=database_url, redis_url=redis_url, postgres=elsewhere, redis=elsewhere)


def empty(database_url: str) -> None:
    """Drops what the last session left, and the roles that it made."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for (name,) in connection.execute(
            "select datname from pg_database where not datistemplate and datname <> current_database()"
        ).fetchall():
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        for (name,) in connection.execute(
            "select rolname from pg_roles where rolname !~ '^pg_' and rolname <> current_user"
        ).fetchall():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
