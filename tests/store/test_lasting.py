"""A connection that lasts for weeks: what would fail on it for ever costs it one error, and the next one works."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from shared.store.connection import Database, Postgres, connect
from shared.store.frozen import WatchedDatabase
from shared.store.together import sent_together


class InTheMiddleError(Exception):
    """What a signal raises."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    def interrupt(*_: Any) -> None:
        raise InTheMiddleError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=[Database, WatchedDatabase])
def database(request: pytest.FixtureRequest, database_url: str) -> Iterator[Database]:
    made = request.param(database_url)
    yield made
    made.close()


def one_by_one(connection: Postgres) -> list[Any]:
    return connection.execute("select word from changing where word <> %s", ["none"]).fetchall()


def together(connection: Postgres) -> list[Any]:
    with sent_together(connection):
        return one_by_one(connection)


def within(connection: Postgres) -> list[Any]:
    with connection.transaction():
        return one_by_one(connection)


def test_one_that_owes_an_answer_nobody_waits_for_is_replaced(database: Database) -> None:
    known = database.connection()
    with pytest.raises(InTheMiddleError), interrupted_after(0.2):
        known.execute("select pg_sleep(30)")
    assert not known.closed
    assert known.info.transaction_status == TransactionStatus.ACTIVE

    assert database.connection().execute("select 1").fetchone() == (1,)
    assert known.closed


def test_one_that_is_in_the_middle_of_its_own_pipeline_is_not(database: Database) -> None:
    known = database.connection()
    with sent_together(known):
        known.execute("select 1")
        assert database.connection() is known
    with database.transaction(), known.pipeline():
        known.execute("select 1")
        assert database.connection() is known
    assert database.connection() is known


@pytest.mark.parametrize("way", [one_by_one, together, within])
def test_a_migration_that_changes_what_a_statement_answers_costs_it_one_error(
    way: Callable[[Postgres], list[Any]], database: Database, database_url: str
) -> None:
    with connect(database_url) as migrating:
        migrating.execute("create table changing (word text); insert into changing values ('a')")
        for _ in range(5):
            assert way(database.connection()) == [("a",)]

        migrating.execute("alter table changing alter word type varchar(5)")
        with pytest.raises(psycopg.OperationalError, match="cached plan"):
            way(database.connection())

        assert way(database.connection()) == [("a",)]


def test_what_a_server_does_not_do_is_no_reason_to_leave_it(database: Database) -> None:
    known = database.connection()
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        known.execute("select distinct key from limits for update")

    assert database.connection() is known
