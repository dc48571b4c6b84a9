"""Statements sent together answer what psycopg's own would, and leave the connection as they found it, or closed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import class_row, dict_row
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres, connect
from shared.store.together import sent_together

AN_ID = UUID("01890000-0000-7000-8000-000000000001")
# What psycopg itself answers is what is expected.
ASKED: tuple[tuple[LiteralString, Any], ...] = (
    ("select 1, 'two', null, 3.5::float8, true", None),
    ("select 100 % 7, '%s'", None),
    ("select '100%%', %s::text", ["a % of it"]),
    ("select %(a)s::text, %(b)s::int, %(a)s::text", {"b": 7, "a": "twice", "c": "not asked for"}),
    ("select %s::uuid, %s::text, %s::timestamptz, %s::date", [AN_ID, "ä'\\$1", datetime(2026, 1, 2, tzinfo=UTC), None]),
    ("select %s, %s, %s, %s", [1, 40_000, 5_000_000_000, 10**20]),
    ("select %s::float8, %s, %s::interval", [0.1, True, timedelta(seconds=90.5)]),
    ("select %s::text[], %s::bigint[], %s::bytea", [["a", None, "b,c"], [], b"\0\xff"]),
    ("select %s::jsonb, %s::json -> 'k'", [Jsonb({"a": [1]}), '{"k": null}']),
    ("select g, date '2026-01-01' + g from generate_series(1, %s) g", [4]),
    ("select 1 where %s", [False]),
)


@dataclass(frozen=True)
class Row:
    number: int
    day: date


@pytest.fixture
def connection(database_url: str) -> Iterator[Postgres]:
    with connect(database_url) as made:
        made.execute("create table kept (word text check (word <> 'bad'))")
        yield made


def kept(connection: Postgres) -> list[str]:
    return [word for (word,) in connection.execute("select word from kept order by word")]


def is_as_it_was(connection: Postgres) -> bool:
    line = connection.pgconn
    idle = line.transaction_status == TransactionStatus.IDLE and line.pipeline_status == PipelineStatus.OFF
    return idle and connection.cursor_factory is psycopg.Cursor


@pytest.mark.parametrize("at_once", [True, False], ids=["fetched behind all", "fetched one by one"])
def test_rows_are_what_psycopg_makes_of_them(connection: Postgres, at_once: bool) -> None:
    expected = [connection.execute(*it).fetchall() for it in ASKED]

    for _ in range(2):  # prepared, and known by then
        with sent_together(connection):
            sent = [connection.execute(*it) for it in ASKED]
            first = [it.fetchall() for it in sent] if at_once else []
        assert [it.fetchall() for it in sent] == ([[]] * len(ASKED) if at_once else expected)
        assert not at_once or first == expected
    with sent_together(connection):
        assert [connection.execute(*it).fetchall() for it in ASKED] == expected
    assert is_as_it_was(connection)


def test_rows_come_one_after_the_other_and_of_any_kind(connection: Postgres) -> None:
    query = "select g as number, date '2026-01-01' + g as day from generate_series(1, 3) g"
    with sent_together(connection):
        plain = connection.execute(query)
        with connection.cursor(row_factory=class_row(Row)) as cursor:
            rows = cursor.execute(query)
        named = connection.cursor(row_factory=dict_row).execute(query)
        assert plain.fetchone() == (1, date(2026, 1, 2))
        assert list(plain) == [(2, date(2026, 1, 3)), (3, date(2026, 1, 4))]
        assert plain.fetchone() is None
    assert rows.fetchall()[0] == Row(1, date(2026, 1, 2))
    assert (named.fetchone() or {})["number"] == 1


def test_a_parameter_of_another_type_makes_another_statement(connection: Postgres) -> None:
    with sent_together(connection):
        told = [connection.execute("select pg_typeof(%s)::text", [it]).fetchone() for it in (1, 2**40, AN_ID, 2)]

    assert told == [("smallint",), ("bigint",), ("uuid",), ("smallint",)]


def test_writes_are_counted(connection: Postgres) -> None:
    with sent_together(connection):
        written = connection.execute("insert into kept values ('a'), ('b')")
        none = connection.execute("delete from kept where word = 'c'")

    assert (written.rowcount, none.rowcount) == (2, 0)
    assert kept(connection) == ["a", "b"]


def write_all(connection: Postgres, *words: str, error: BaseException | None = None) -> None:
    with sent_together(connection, lambda it: it.execute("insert into kept values ('ahead')")):
        for word in words:
            connection.execute("insert into kept values (%s)", [word])
        if error is not None:
            raise error


def test_an_error_is_raised_at_the_end_and_takes_back_all_but_what_went_ahead(connection: Postgres) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="kept_word_check"):
        write_all(connection, "good", "bad", "better")

    assert is_as_it_was(connection)
    assert kept(connection) == ["ahead"]
    write_all(connection, "good")
    assert kept(connection) == ["ahead", "ahead", "good"]


def test_an_error_of_whoever_sends_takes_back_what_was_sent(connection: Postgres) -> None:
    with pytest.raises(KeyError, match="of our own"):
        write_all(connection, "good", error=KeyError("of our own"))

    assert is_as_it_was(connection)
    assert kept(connection) == ["ahead"]


def test_who_is_told_to_end_waits_for_no_answer(connection: Postgres, database_url: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_all(connection, "good", error=KeyboardInterrupt())

    assert connection.closed
    with connect(database_url) as other:
        assert "good" not in kept(other)


def send_all(connection: Postgres, *statements: LiteralString) -> None:
    with sent_together(connection):
        for it in statements:
            connection.execute(it)


def test_what_an_error_kept_from_being_prepared_is_prepared_the_next_time(connection: Postgres) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            send_all(connection, "select 1 / 0", "select 'never prepared before'")
        with pytest.raises(psycopg.errors.UndefinedTable):
            send_all(connection, "select * from nowhere")

    with sent_together(connection):
        assert connection.execute("select 'never prepared before'").fetchone() == ("never prepared before",)


def taken_back(connection: Postgres) -> None:
    """psycopg ends a transaction that it takes back by dropping the statements of its connection, if it made any."""
    for _ in range(4):
        connection.execute("select 'one of psycopg''s own' where %s", [True])
    with connection.transaction(force_rollback=True):
        connection.execute("insert into kept values ('not for long')")


def test_an_error_behind_statements_that_were_dropped_is_the_one_that_is_raised(connection: Postgres) -> None:
    for _ in range(3):
        with pytest.raises(psycopg.errors.CheckViolation):
            send_all(connection, "insert into kept values ('good')", "insert into kept values ('bad')")
        taken_back(connection)

    assert kept(connection) == []
    assert is_as_it_was(connection)


def test_statements_that_were_dropped_are_prepared_again_and_nothing_is_done_twice(connection: Postgres) -> None:
    def ahead(to: Postgres) -> None:
        to.execute("insert into kept values (%s)", ["ahead"])

    for time in (1, 2, 3):
        with sent_together(connection, ahead):
            connection.execute("insert into kept values (%s)", ["in it"])
            found = connection.execute("select count(*) from kept where word = %s", ["in it"])
            assert found.fetchone() == (time,)
            connection.execute("insert into kept values (%s)", ["behind"])
        taken_back(connection)

    assert kept(connection) == ["ahead"] * 3 + ["behind"] * 3 + ["in it"] * 3
    assert is_as_it_was(connection)


def test_a_statement_that_alone_was_dropped_fails_once(connection: Postgres) -> None:
    """As where the preparing of the first of a block was cancelled, and psycopg dropped the others before the next."""
    send_all(connection, "insert into kept values ('first')", "select 'the one'")
    [(name,)] = connection.execute("select name from pg_prepared_statements where statement like '%the one%'")
    connection.execute(SQL("deallocate {}").format(Identifier(name)))

    with pytest.raises(psycopg.errors.InvalidSqlStatementName):
        send_all(connection, "insert into kept values ('second')", "select 'the one'")
    send_all(connection, "insert into kept values ('third')", "select 'the one'")

    assert kept(connection) == ["first", "third"]
    assert is_as_it_was(connection)


@pytest.mark.parametrize("given", [["one"], ["one", "two", "three"]], ids=["too few", "too many"])
def test_parameters_must_be_as_many_as_their_places(connection: Postgres, given: list[str]) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="2 placeholders"), sent_together(connection):
        connection.execute("insert into kept values (%s), (%s)", given)

    assert is_as_it_was(connection)
    assert kept(connection) == []


def test_a_server_that_hangs_up_is_an_operational_error_and_the_connection_is_closed(
    connection: Postgres, database_url: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match="closed the connection"):
        send_all(connection, "insert into kept values ('lost')", "select pg_terminate_backend(pg_backend_pid())")

    assert connection.closed
    with connect(database_url) as other:
        assert kept(other) == []


def test_more_than_any_buffer_takes_goes_both_ways(connection: Postgres) -> None:
    word = "x" * 200_000
    with sent_together(connection):
        sent = [connection.execute("select %s || %s", [word, str(number)]) for number in range(200)]

    assert [it.fetchone() for it in sent] == [(f"{word}{number}",) for number in range(200)]


def test_more_than_any_buffer_takes_goes_to_a_server_that_says_little(connection: Postgres) -> None:
    with sent_together(connection):
        sent = [connection.execute("select length(%s::text)", ["x" * 200_000]) for _ in range(200)]

    assert {it.fetchone() for it in sent} == {(200_000,)}
