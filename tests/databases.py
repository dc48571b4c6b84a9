"""Real servers for the whole session, and a database of its own for each test."""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql

from console.local.servers import Servers, embedded_servers
from tests import leftovers
from tests.memory import folder_in_memory

# Created once, migrated once; a copy of it takes a few milliseconds.
TEMPLATE = "slotbeat_template"
# Half of what a copy would copy is what the migrations left of their steps in these.
CATALOGS = "vacuum full pg_attribute, pg_class, pg_constraint, pg_depend, pg_proc, pg_rewrite"
numbers = itertools.count(1)
# As many as Valkey has, without 0: a connection that forgot its number must not find data.
redis_databases = itertools.cycle(range(1, 64))


def with_database(url: str, name: str | int) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Postgres and Valkey, quick, not durable, shared by all tests. To kill some, take `own_servers`."""
    with folder_in_memory() as made:
        folder = (made or tmp_path_factory.mktemp("memory")) / "servers"
        with embedded_servers(folder, durable=False) as started:
            pids = {started.postgres.pid, started.redis.pid}
            leftovers.staying.update(pids)
            yield started
            leftovers.staying.difference_update(pids)


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Servers]:
    """Durable servers of this test alone, for those that kill and restart them."""
    with embedded_servers(tmp_path / "servers", durable=True) as started:
        yield started


@pytest.fixture(scope="session")
def maker(servers: Servers) -> Iterator[psycopg.Connection]:
    """Makes and drops databases: one connection for all of them, as each new one costs half as much as a database."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def database_template(servers: Servers, maker: psycopg.Connection) -> str:
    maker.execute(named("create database {}", TEMPLATE))
    url = with_database(servers.database_url, TEMPLATE)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CATALOGS)
    # The first to connect writes down what every later one reads at once; a copy has it too.
    psycopg.connect(url).close()
    return TEMPLATE


@pytest.fixture
def database_url(servers: Servers, maker: psycopg.Connection, database_template: str) -> Iterator[str]:
    """A fresh, migrated database; gone after the test, whoever is still connected."""
    name = f"test_{next(numbers)}"
    maker.execute(named("create database {} template {} strategy file_copy", name, database_template))
    yield with_database(servers.database_url, name)
    maker.execute(named("drop database {} with (force)", name))


@pytest.fixture
def empty_database_url(servers: Servers, maker: psycopg.Connection) -> Iterator[str]:
    """A database without a single table, for the tests of the migrations themselves."""
    name = f"empty_{next(numbers)}"
    maker.execute(named("create database {}", name))
    yield with_database(servers.database_url, name)
    maker.execute(named("drop database {} with (force)", name))


@pytest.fixture
def redis_url(servers: Servers) -> Iterator[str]:
    """An empty logical database; emptied again after the test."""
    url = with_database(servers.redis_url, next(redis_databases))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def away(maker: psycopg.Connection, url: str) -> AbstractContextManager[None]:
    """A block in which that database takes no connection, and has none."""
    return _altered(maker, url, "alter database {} allow_connections false", "alter database {} allow_connections true")


def writes_nothing(maker: psycopg.Connection, url: str) -> AbstractContextManager[None]:
    """A block in which whoever connects to that database finds it as a standby that nobody has promoted is.

    As with a standby behind a name, connections of that time stay what they are.
    """
    off = "alter database {} set default_transaction_read_only = on"
    return _altered(maker, url, off, "alter database {} reset default_transaction_read_only")


@contextmanager
def _altered(
    maker: psycopg.Connection, url: str, before: sql.LiteralString, after: sql.LiteralString
) -> Iterator[None]:
    name = url.rpartition("/")[2]
    maker.execute(named(before, name))
    maker.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
    try:
        yield
    finally:
        maker.execute(named(after, name))


def run_admin(servers: Servers, statement: sql.LiteralString, *names: str) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(named(statement, *names))


def named(statement: sql.LiteralString, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def migrate(database_url: str) -> None:
    # Late, so that tests that need no database do not need the store either.
    from shared.store.migrate import migrate as run_migrations

    run_migrations(database_url)
