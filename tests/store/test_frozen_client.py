"""A process that is frozen inside a transaction holds its locks for a while only (SIGSTOP, or its host is gone)."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import psycopg
import pytest

from shared.store.connection import Postgres, connect
from shared.store.together import sent_together
from tests.waiting import until

WAYS: dict[str, Callable[[Postgres], AbstractContextManager[object]]] = {
    "one by one": lambda it: it.transaction(),
    "sent together": sent_together,
    "sent together behind another": lambda it: sent_together(it, lambda own: own.execute("select 1")),
}


def is_free(other: Postgres) -> bool:
    try:
        other.execute("select key from limits for update nowait")
    except psycopg.errors.LockNotAvailable:
        return False
    return True


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_it_has_locked_is_free_again_though_it_says_nothing(
    way: Callable[[Postgres], AbstractContextManager[object]], database_url: str
) -> None:
    """Also where statements are sent together: to a server that was told no Sync, its client is at work for ever."""
    with connect(database_url) as frozen, connect(database_url) as other:
        frozen.execute("set idle_in_transaction_session_timeout = 300")
        with suppress(psycopg.errors.IdleInTransactionSessionTimeout, psycopg.OperationalError), way(frozen):
            frozen.execute("select key from limits for update").fetchall()
            was_free = is_free(other)

            until(lambda: is_free(other))

    assert not was_free


def written_and_then_wrong(connection: Postgres) -> None:
    with sent_together(connection):
        first = connection.execute("insert into settings (key, value) values ('a', '1') returning key")
        second = connection.execute("select 2")
        assert (second.fetchone(), first.fetchall()) == ((2,), [("a",)])
        connection.execute("select 1 / 0").fetchone()


def test_an_error_in_the_middle_takes_back_what_was_sent_before_it(database_url: str) -> None:
    with connect(database_url) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            written_and_then_wrong(connection)

        assert connection.execute("select count(*) from settings").fetchone() == (0,)
