"""Brings a database up to the schema of this code: forward only, one transaction a file, under a lock."""

import hashlib
from contextlib import closing
from importlib.resources import files
from math import inf

from shared.events import event
from shared.store.connection import Postgres
from shared.store.frozen import WatchedDatabase

_LOCK = 7300


class SchemaMismatch(RuntimeError):
    """The database and this code do not fit; the message says which is newer and what to do."""


def migrations() -> list[tuple[str, bytes]]:
    """The files in their order: name and content."""
    found = [it for it in files("shared").joinpath("migrations").iterdir() if it.name.endswith(".sql")]
    return sorted((it.name, it.read_bytes()) for it in found)


def migrate(database_url: str) -> list[str]:
    """Applies what is missing, and names it. Safe to call from several processes at once."""
    database = WatchedDatabase(database_url, application="slotbeat migrate", at_most_s=inf)
    with closing(database):
        connection = database.connection()
        connection.execute("set statement_timeout = 0")
        connection.execute("set lock_timeout = 0")
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        connection.execute("""
            create table if not exists schema_migrations (
              name text primary key, checksum text not null, applied_at timestamptz not null default now())
            """)
        known = applied(connection)
        _refuse_strangers(known)
        return [name for name, content in migrations() if _apply(connection, name, content, known)]


def applied(connection: Postgres) -> dict[str, str]:
    """Migrations that the database has had: name and checksum."""
    return dict(connection.execute("select name, checksum from schema_migrations").fetchall())


def lacking(connection: Postgres) -> set[str]:
    """The migrations of this code that the database has not had; it may have more, of a newer release."""
    exists = connection.execute("select to_regclass('schema_migrations') is not null").fetchone()
    return {name for name, _ in migrations()} - (applied(connection).keys() if exists == (True,) else set())


def _refuse_strangers(known: dict[str, str]) -> None:
    own = {name: _checksum(content) for name, content in migrations()}
    for name, checksum in known.items():
        if name not in own:
            raise SchemaMismatch(f"the database is newer than this code (it has {name}): upgrade slotbeat")
        if own[name] != checksum:
            raise SchemaMismatch(f"migration {name} was edited after it was applied: restore the released file")


def _apply(connection: Postgres, name: str, content: bytes, known: dict[str, str]) -> bool:
    if name in known:
        return False
    with connection.transaction():
        connection.execute(content)
        connection.execute("insert into schema_migrations (name, checksum) values (%s, %s)", [name, _checksum(content)])
    event("migration.applied", name=name)
    return True


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
