"""Postgres itself: who it is, how late it is there, how large it has grown."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Server:
    """The server and the database that we are connected to, by its own clock."""

    version: str
    version_number: int
    database: str
    user: str
    now: datetime
    size_bytes: int


def look(connection: Postgres) -> Server:
    """The server as it is now."""
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        found = cursor.execute(
            """
            select current_setting('server_version') as version,
                   current_setting('server_version_num')::int as version_number,
                   current_database()::text as database, current_user::text as "user", clock_timestamp() as now,
                   pg_database_size(current_database()) as size_bytes
            """
        ).fetchone()
    assert found is not None
    return found


@dataclass(frozen=True)
class Bloated:
    """A table of ours with more dead rows than living ones."""

    name: str
    dead: int
    living: int


def bloated(connection: Postgres, at_least: int) -> list[Bloated]:
    """Tables with so many dead rows, and as many as living ones."""
    with connection.cursor(row_factory=class_row(Bloated)) as cursor:
        return cursor.execute(
            """
            select relname::text as name, n_dead_tup as dead, n_live_tup as living from pg_stat_user_tables
             where schemaname = current_schema() and n_dead_tup >= %s and n_dead_tup > n_live_tup
             order by n_dead_tup desc
            """,
            [at_least],
        ).fetchall()


@dataclass(frozen=True)
class OldTransaction:
    """A transaction that has been open for long; if it has a snapshot or wrote, dead rows stay until it ends."""

    pid: int
    application: str
    age_s: float
    keeps_rows: bool


def old_transactions(connection: Postgres, older_than_s: float) -> list[OldTransaction]:
    """Transactions in this database that began so long ago, as far as the caller may see."""
    with connection.cursor(row_factory=class_row(OldTransaction)) as cursor:
        return cursor.execute(
            """
            select pid, application_name as application, extract(epoch from now() - xact_start)::float8 as age_s,
                   coalesce(backend_xmin, backend_xid) is not null as keeps_rows
              from pg_stat_activity
             where datname = current_database() and xact_start < now() - make_interval(secs => %s)
               and pid <> pg_backend_pid()
             order by xact_start
            """,
            [older_than_s],
        ).fetchall()
