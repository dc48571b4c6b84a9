"""What attempts that have ended may have left running elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Left:
    """An attempt that ended without a result, and by which reference its work can be cancelled."""

    token: int
    firing_id: UUID
    number: int
    remote_ref: str
    target: dict[str, Any]


def left_by(connection: Postgres, tokens: Sequence[int]) -> list[Left]:
    """Those of these attempts that ended, not completed, with something elsewhere."""
    with connection.cursor(row_factory=class_row(Left)) as cursor:
        return cursor.execute(
            """
            select a.token, a.firing_id, a.number, a.remote_ref, f.target
              from attempts a join firings f on f.id = a.firing_id
             where a.token = any(%s) and a.remote_ref is not null and a.ended_at is not null
               and a.outcome <> 'completed'
            """,
            [list(tokens)],
        ).fetchall()
