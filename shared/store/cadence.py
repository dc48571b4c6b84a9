"""Maintenance tasks take turns: whoever moves the row runs, everybody else ends at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Pass:
    """The last pass of a maintenance task."""

    name: str
    ran_at: datetime
    finished_at: datetime | None
    outcome: str | None
    counts: dict[str, Any]


def take(connection: Postgres, name: str, every_s: float) -> bool:
    """Whether this caller runs the task now: one guarded statement, by Postgres's clock.

    A tenth of the interval is forgiven, so that a message that comes a moment early is not a pass lost.
    """
    told = connection.execute(
        """
        insert into cadence (name, ran_at) values (%(name)s, clock_timestamp())
        on conflict (name) do update set ran_at = clock_timestamp()
         where cadence.ran_at <= clock_timestamp() - make_interval(secs => %(every_s)s * 0.9)
        """,
        {"name": name, "every_s": every_s},
    )
    return told.rowcount == 1


def ages_s(connection: Postgres) -> dict[str, float]:
    """Seconds since each task last ran, by Postgres's clock."""
    return dict(
        connection.execute(
            "select name, extract(epoch from clock_timestamp() - ran_at)::float8 from cadence"
        ).fetchall()
    )


def finish(connection: Postgres, name: str, outcome: str, counts: dict[str, Any]) -> None:
    """Writes how a pass ended, also when it failed; counters named `..._total` are added up."""
    connection.execute(
        """
        update cadence c
           set finished_at = clock_timestamp(), outcome = %(outcome)s,
               counts = %(counts)s || (
                 select coalesce(jsonb_object_agg(key, coalesce((c.counts ->> key)::bigint, 0)
                                                       + coalesce((%(counts)s ->> key)::bigint, 0)), '{}')
                   from (select jsonb_object_keys(c.counts || %(counts)s) as key) as it where key like '%%\\_total')
         where name = %(name)s
        """,
        {"name": name, "outcome": outcome, "counts": Jsonb(counts)},
    )


def add(connection: Postgres, name: str, counts: Mapping[str, int]) -> None:
    """Adds to the counters of a task, which ran before, what was done in its place between its passes."""
    connection.execute(
        """
        update cadence c
           set counts = c.counts || (
                 select coalesce(jsonb_object_agg(key, coalesce((c.counts ->> key)::bigint, 0) + value::bigint), '{}')
                   from jsonb_each_text(%(counts)s))
         where name = %(name)s
        """,
        {"name": name, "counts": Jsonb(dict(counts))},
    )


def pending(connection: Postgres, name: str) -> list[str]:
    """What the last pass of a task noted for the next one."""
    row = connection.execute("select counts -> 'pending' from cadence where name = %s", [name]).fetchone()
    return list(row[0]) if row is not None and row[0] else []


def passes(connection: Postgres) -> list[Pass]:
    """The last pass of every task."""
    with connection.cursor(row_factory=class_row(Pass)) as cursor:
        return cursor.execute("select name, ran_at, finished_at, outcome, counts from cadence order by name").fetchall()
