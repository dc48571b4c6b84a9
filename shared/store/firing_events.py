"""What payloads said, as it came."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres

# What is kept of one attempt, in events and in bytes; the older ones make room, for the end of a log says why it ended.
KEEP, KEEP_BYTES = 2000, 1024 * 1024


@dataclass(frozen=True)
class FiringEvent:
    """One thing a payload said."""

    token: int
    seq: int
    at: datetime
    kind: str
    data: dict[str, Any]


def add(connection: Postgres, firing: UUID, token: int, events: Sequence[tuple[int, str, str]], gone: int = 0) -> None:
    """Writes (seq, kind, data as JSON); of those up to `gone` only how many they were is kept, in the place of it."""
    if gone:
        connection.execute(
            "delete from firing_events where firing_id = %s and token = %s and seq <= %s", [firing, token, gone]
        )
        told = {"text": f"{gone} events before this are not kept.", "left_out": True}
        events = [(gone, "log", json.dumps(told)), *events]
    connection.execute(
        """
        insert into firing_events (firing_id, token, seq, kind, data)
        select %(firing)s, %(token)s, * from unnest(%(seqs)s::int[], %(kinds)s::text[], %(data)s::jsonb[])
        on conflict do nothing
        """,
        {
            "firing": firing,
            "token": token,
            "seqs": [it[0] for it in events],
            "kinds": [it[1] for it in events],
            "data": [it[2] for it in events],
        },
    )


def of_firing(connection: Postgres, firing: UUID, after: tuple[int, int], most: int) -> list[FiringEvent]:
    """A firing's events behind (token, seq), in order."""
    with connection.cursor(row_factory=class_row(FiringEvent)) as cursor:
        return cursor.execute(
            """
            select token, seq, at, kind, data from firing_events
             where firing_id = %(firing)s and (token, seq) > (%(token)s, %(seq)s)
             order by token, seq limit %(most)s
            """,
            {"firing": firing, "token": after[0], "seq": after[1], "most": most},
        ).fetchall()


def tail(connection: Postgres, firing: UUID, most: int) -> list[FiringEvent]:
    """The last events of a firing, in order."""
    with connection.cursor(row_factory=class_row(FiringEvent)) as cursor:
        found = cursor.execute(
            """
            select token, seq, at, kind, data from firing_events
             where firing_id = %s order by token desc, seq desc limit %s
            """,
            [firing, most],
        ).fetchall()
    return found[::-1]
