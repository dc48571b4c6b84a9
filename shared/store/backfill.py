"""A backfill in rows: what was fired and skipped in a span, and firings in the place of skips."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.rules.backfill import Backfill, Skipped
from shared.store import due
from shared.store.connection import Postgres


def fired(connection: Postgres, schedule: UUID, span: tuple[datetime, datetime]) -> list[datetime]:
    """The occurrences of a span, ends included, that made firings."""
    rows = connection.execute(
        """
        select nominal_at from firings
         where schedule_id = %(schedule)s and nominal_at between %(first)s and %(last)s
           and source in ('scheduled', 'heartbeat', 'backfill')
        """,
        {"schedule": schedule, "first": span[0], "last": span[1]},
    ).fetchall()
    return [row[0] for row in rows]


def skipped(connection: Postgres, schedule: UUID, span: tuple[datetime, datetime]) -> list[Skipped]:
    """The skips that lie in a span or reach into it, the oldest first."""
    with connection.cursor(row_factory=class_row(Skipped)) as cursor:
        return cursor.execute(
            """
            select id, first_at, last_at, count, reason, detail from skips
             where schedule_id = %(schedule)s and last_at >= %(first)s and first_at <= %(last)s
             order by first_at
            """,
            {"schedule": schedule, "first": span[0], "last": span[1]},
        ).fetchall()


def replace_skips(connection: Postgres, schedule: UUID, planned: Backfill) -> None:
    """Takes the occurrences that are to be fired out of the skips that they are in."""
    connection.execute("delete from skips where id = any(%s)", [[it.id for it in planned.replaced]])
    left = [due.NewSkip.of(schedule, it.left, it.of.detail) for it in planned.pieces]
    due.add_skips(connection, left, counted=True)


def count_fired(connection: Postgres, schedule: UUID, made: Sequence[object]) -> None:
    """Counts new firings of a schedule, so that the next one has the next number."""
    connection.execute("update schedules set fired_count = fired_count + %s where id = %s", [len(made), schedule])
