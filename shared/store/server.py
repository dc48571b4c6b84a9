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
    is_standby: bool
    is_read_only: bool


def look(connection: Postgres) -> Server:
    """The server as it is now."""
    with connection.cursor(row_factory=class_row(Server)) as cursor:
        found = cursor.execute(
            """
            select current_setting('server_version') as version,
                   current_setting('server_version_num')::int as version_number,
                   current_database()::text as database, current_user::text as "user", clock_timestamp() as now,
                   pg_database_size(current_database()) as size_bytes, pg_is_in_recovery() as is_standby,
                   current_setting('default_transaction_read_only')::boolean as is_read_only
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


@dataclass(frozen=True)
class Prepared:
    """A transaction that was prepared and neither committed nor rolled back: no backend, no timeout ends it."""

    gid: str
    age_s: float


def prepared(connection: Postgres, older_than_s: float) -> list[Prepared]:
    """Those of this database that were prepared so long ago, the oldest first."""
    with connection.cursor(row_factory=class_row(Prepared)) as cursor:
        return cursor.execute(
            """
            select gid, extract(epoch from now() - prepared)::float8 as age_s from pg_prepared_xacts
             where database = current_database() and prepared < now() - make_interval(secs => %s)
             order by prepared
            """,
            [older_than_s],
        ).fetchall()


@dataclass(frozen=True)
class ReplicationSlot:
    """What a standby has not read yet is kept for it: WAL, and dead rows where it has told of queries of its own."""

    name: str
    active: bool
    behind: int
    wal_bytes: int


def replication_slots(connection: Postgres) -> list[ReplicationSlot]:
    """All of the server, with how many transactions behind their horizon is (0: they have none)."""
    with connection.cursor(row_factory=class_row(ReplicationSlot)) as cursor:
        return cursor.execute(
            """
            select slot_name::text as name, active, coalesce(age(xmin), 0) as behind,
                   coalesce(pg_wal_lsn_diff(written, restart_lsn), 0)::bigint as wal_bytes
              from pg_replication_slots
             cross join (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                                     else pg_current_wal_lsn() end as written) as here
             order by slot_name
            """
        ).fetchall()
