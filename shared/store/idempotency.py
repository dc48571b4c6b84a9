"""What a request made, by the key that its caller drew."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from shared.store.connection import Postgres

_DOING = 7311


@dataclass(frozen=True)
class Repeat:
    """A request that may come again: whose, under which key, and the hash of all it asks for."""

    caller: str
    key: str
    request_hash: bytes


@dataclass(frozen=True)
class Done:
    """What a request of that key asked for, and what it made."""

    request_hash: bytes
    made: UUID


@contextmanager
def alone(connection: Postgres, repeat: Repeat) -> Iterator[None]:
    """Nobody else does what that key asks for meanwhile; psycopg.errors.LockNotAvailable after some seconds."""
    key = f"{repeat.caller} {repeat.key}"
    connection.execute("select pg_advisory_lock(%s, hashtext(%s))", [_DOING, key])
    try:
        yield
    finally:
        # Of a connection that broke, the server has let go itself.
        with suppress(psycopg.OperationalError):
            connection.execute("select pg_advisory_unlock(%s, hashtext(%s))", [_DOING, key])


def find(connection: Postgres, repeat: Repeat) -> Done | None:
    """What that key made, within a day."""
    with connection.cursor(row_factory=class_row(Done)) as cursor:
        return cursor.execute(
            """
            select request_hash, made from idempotency_keys
             where caller = %(caller)s and key = %(key)s and at > now() - interval '1 day'
            """,
            vars(repeat),
        ).fetchone()


def keep(connection: Postgres, repeat: Repeat, made: UUID) -> None:
    """Writes what a request makes, in the transaction that makes it; UniqueViolation where the key has made one.

    What is older than a day is forgotten on the way, this key's own among it, however many others there are.
    """
    connection.execute(
        """
        delete from idempotency_keys
         where at < now() - interval '1 day'
           and (caller, key) in ((select caller, key from idempotency_keys
                                   where at < now() - interval '1 day' order by at limit 1000)
                                 union all select %(caller)s::text, %(key)s::text)
        """,
        vars(repeat),
    )
    connection.execute(
        """
        insert into idempotency_keys (caller, key, request_hash, made)
        values (%(caller)s, %(key)s, %(request_hash)s, %(made)s)
        """,
        {**vars(repeat), "made": made},
    )
