"""Counters that outlive the rows that they were counted from."""

from dataclasses import dataclass

from psycopg.rows import class_row

from shared.store.connection import Postgres

# As `bucket_of` in the migrations has them; a test compares.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, float("inf"))


@dataclass(frozen=True)
class Counted:
    """One counter: what of, which kind of it, and how much."""

    name: str
    label: str
    value: float


def counted(connection: Postgres) -> list[Counted]:
    """Every counter as it stands: what was folded, and the few rows that were not yet."""
    with connection.cursor(row_factory=class_row(Counted)) as cursor:
        return cursor.execute("select name, label, value from counted order by name, label").fetchall()


def fold(connection: Postgres, most: int) -> tuple[int, int]:
    """Folds rows into the counters, and spend into its spans; how many of each."""
    row = connection.execute("select fold_tallies(%(most)s), fold_spend(%(most)s)", {"most": most}).fetchone()
    assert row is not None
    return row[0], row[1]
