"""Workers and beats with their last sign."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Process:
    """A process as it last gave a sign."""

    id: str
    kind: str
    node: str
    boot_id: str
    pid: int
    pid_start: int
    capacity: int
    facts: dict[str, Any]
    started_at: datetime
    seen_at: datetime
    age_s: float

    @property
    def host(self) -> str:
        """Where it runs, by its node name."""
        return self.node.rpartition("@")[2]

    @property
    def pid_namespace(self) -> str | None:
        """Among which pids its own counts; None where it did not say."""
        return self.facts.get("pid_namespace")

    @property
    def clock_ahead_s(self) -> float | None:
        """How far its host's clock was ahead of Postgres's when it gave that sign; None where it did not say."""
        told = self.facts.get("wall_clock")
        return None if told is None else told - self.seen_at.timestamp()


def installation(connection: Postgres) -> UUID:
    """The identity of this database's installation, which its payloads carry."""
    row = connection.execute("select id from installation").fetchone()
    assert row is not None
    return row[0]


def ping(connection: Postgres) -> None:
    """Whether Postgres answers; raises psycopg.Error when it does not."""
    connection.execute("select 1")


def sign(connection: Postgres, values: dict[str, Any]) -> None:
    """A sign of life: id, kind, node, boot_id, pid, pid_start, capacity and further facts."""
    connection.execute(
        """
        insert into processes (id, kind, node, boot_id, pid, pid_start, capacity, facts)
        values (%(id)s, %(kind)s, %(node)s, %(boot_id)s, %(pid)s, %(pid_start)s, %(capacity)s, %(facts)s)
        on conflict (id) do update
           set seen_at = now(), capacity = excluded.capacity, facts = excluded.facts
        """,
        {**values, "facts": Jsonb(values.get("facts", {}))},
    )


def age_s(connection: Postgres, process: str) -> float | None:
    """How long ago a process gave its last sign; None when it never did."""
    row = connection.execute(
        "select extract(epoch from now() - seen_at)::float8 from processes where id = %s", [process]
    ).fetchone()
    return None if row is None else row[0]


def leave(connection: Postgres, process: str) -> None:
    """A process that stops says so."""
    connection.execute("delete from processes where id = %s", [process])


def forget_silent(connection: Postgres) -> None:
    """Processes that gave no sign for a quarter of an hour are history."""
    connection.execute("delete from processes where seen_at < now() - interval '15 minutes'")


def listing(connection: Postgres) -> list[Process]:
    """Every process, by kind and node."""
    with connection.cursor(row_factory=class_row(Process)) as cursor:
        return cursor.execute(
            """
            select id, kind, node, boot_id, pid, pid_start, capacity, facts, started_at, seen_at,
                   extract(epoch from now() - seen_at)::float8 as age_s
              from processes order by kind, node, id
            """
        ).fetchall()
