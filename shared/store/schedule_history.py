"""What became of a schedule's occurrences, for its page: ended firings as measured, and skips."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Measured:
    """An ended firing with its figures."""

    firing_id: UUID
    number: int
    status: str
    failure_reason: str | None
    slot_wait_ms: int | None
    duration_ms: int | None
    turn_count: int | None
    max_turns: int | None


def measured(connection: Postgres, schedule: UUID, most: int) -> list[Measured]:
    """The last ended firings of a schedule, oldest first."""
    with connection.cursor(row_factory=class_row(Measured)) as cursor:
        found = cursor.execute(
            """
            select m.firing_id, f.number, f.status, f.failure_reason, m.slot_wait_ms, m.duration_ms,
                   m.turn_count, m.max_turns_at_firing as max_turns
              from schedule_firing_metrics m join firings f on f.id = m.firing_id
             where m.schedule_id = %s order by m.completed_at desc limit %s
            """,
            [schedule, most],
        ).fetchall()
    return found[::-1]


@dataclass(frozen=True)
class Skipped:
    """Consecutive occurrences that made no firing, for one reason."""

    first_at: datetime
    last_at: datetime
    count: int
    reason: str
    detail: str | None


def skipped(connection: Postgres, schedule: UUID, most: int) -> list[Skipped]:
    """The last skips of a schedule, newest first."""
    with connection.cursor(row_factory=class_row(Skipped)) as cursor:
        return cursor.execute(
            """
            select first_at, last_at, count, reason, detail from skips
             where schedule_id = %s order by last_at desc limit %s
            """,
            [schedule, most],
        ).fetchall()


def slot_wait_ms(connection: Postgres, firing: UUID) -> int | None:
    """How long an ended firing stood in line; None while it is not known."""
    row = connection.execute(
        "select slot_wait_ms from schedule_firing_metrics where firing_id = %s", [firing]
    ).fetchone()
    return None if row is None else row[0]
