"""The epoch of the gate's content, which every claim must name."""

from dataclasses import dataclass

from psycopg.rows import class_row

from shared.store.connection import Postgres
from shared.store.settlement import ADMISSION_LOCK


@dataclass(frozen=True)
class Epoch:
    """Which rebuild the gate's content is of, and of which Redis process; how long ago that was."""

    number: int
    redis_run_id: str | None
    age_s: float


def current(connection: Postgres) -> Epoch:
    """The epoch as Postgres has it."""
    with connection.cursor(row_factory=class_row(Epoch)) as cursor:
        found = cursor.execute(
            "select number, redis_run_id, extract(epoch from now() - rebuilt_at)::float8 as age_s from epoch"
        ).fetchone()
    assert found is not None
    return found


def shut_admission(connection: Postgres) -> None:
    """Waits for claims and settles under way, and keeps new ones out until this transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s)", [ADMISSION_LOCK])


def draw(connection: Postgres, above: int) -> int:
    """A number that no rebuild had before, whatever became of it, above the one in the gate."""
    row = connection.execute(
        """
        select setval('epochs', greatest(nextval('epochs'), %(above)s + 1, (select number + 1 from epoch)))
        """,
        {"above": above},
    ).fetchone()
    assert row is not None
    return row[0]


def raise_to(connection: Postgres, number: int, redis_run_id: str) -> None:
    """Makes a new epoch the current one when this transaction commits."""
    connection.execute(
        "update epoch set number = %(number)s, redis_run_id = %(run_id)s, rebuilt_at = now() where number < %(number)s",
        {"number": number, "run_id": redis_run_id},
    )
