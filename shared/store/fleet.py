"""The pause of the whole fleet: its cap is 0 meanwhile, and what it was before comes back with its end."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared.store import limits
from shared.store.connection import Postgres
from shared.store.epoch import shut_admission


@dataclass(frozen=True)
class FleetPause:
    """A pause that lasts: since when, by whom, why, and the cap that comes back."""

    paused_at: datetime
    paused_by: str
    note: str | None
    cap: int


def current(connection: Postgres) -> FleetPause | None:
    """The pause that lasts, or None."""
    with connection.cursor(row_factory=class_row(FleetPause)) as cursor:
        return cursor.execute(
            "select paused_at, paused_by, note, cap from fleet_pause where resumed_at is null"
        ).fetchone()


def pause(connection: Postgres, by: str, note: str | None) -> bool:
    """Pauses the fleet; False when it is paused already. Tell the gate that the fleet's cap is 0."""
    shut_admission(connection)
    told = connection.execute(
        """
        insert into fleet_pause (cap, paused_at, paused_by, note)
        select cap, now(), %(by)s, %(note)s from limits where key = 'fleet'
        on conflict (only_row) do update
           set cap = excluded.cap, paused_at = excluded.paused_at, paused_by = excluded.paused_by, note = excluded.note,
               resumed_at = null
         where fleet_pause.resumed_at is not null
        """,
        {"by": by, "note": note},
    )
    if told.rowcount == 0:
        return False
    limits.write_cap(connection, limits.FLEET, 0)
    return True


def resume(connection: Postgres) -> int | None:
    """Ends the pause; the cap that the fleet has again, None when it is not paused. Tell the gate."""
    shut_admission(connection)
    row = connection.execute(
        # A clock that was put back must not make a pause that ends before it begins.
        "update fleet_pause set resumed_at = greatest(now(), paused_at) where resumed_at is null returning cap"
    ).fetchone()
    if row is None:
        return None
    limits.write_cap(connection, limits.FLEET, row[0])
    return row[0]
