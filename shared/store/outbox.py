"""Alerts on their way to people: taken, delivered, tried again, given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Waiting:
    """An alert that is to be sent, with the names of what it is about."""

    id: UUID
    kind: str
    title: str
    body: str
    workspace: str | None
    schedule: str | None
    firing_id: UUID | None
    tries: int
    delivered: list[str]
    at: datetime


def take(connection: Postgres, most: int, lease_s: float) -> list[Waiting]:
    """Alerts that are due, the oldest first; nobody else is given them for so long, and then they are due again."""
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            """
            with taken as (
              update alerts a set tries = a.tries + 1, next_try_at = now() + make_interval(secs => %(lease_s)s)
               where a.id in (
                 select x.id from alerts x
                  where x.sent_at is null and x.given_up_at is null and x.next_try_at <= now()
                  order by x.next_try_at limit %(most)s for update skip locked)
              returning a.*)
            select t.id, t.kind, t.title, t.body, w.name as workspace, s.name as schedule, t.firing_id, t.tries,
                   t.delivered, t.at
              from taken t
              left join workspaces w on w.id = t.workspace_id
              left join schedules s on s.id = t.schedule_id
             order by t.at
            """,
            {"most": most, "lease_s": lease_s},
        ).fetchall()


def sent(connection: Postgres, alert: UUID, delivered: Sequence[str]) -> None:
    """Everybody who should be told has been."""
    connection.execute(
        "update alerts set sent_at = now(), delivered = %(to)s, last_error = null where id = %(id)s",
        {"id": alert, "to": list(delivered)},
    )


def failed(connection: Postgres, alert: UUID, delivered: Sequence[str], error: str, again_in_s: float | None) -> None:
    """Somebody could not be told; it is tried again, or given up (None)."""
    connection.execute(
        """
        update alerts
           set delivered = %(to)s, last_error = %(error)s,
               next_try_at = now() + make_interval(secs => coalesce(%(again_in_s)s, 0)),
               given_up_at = case when %(again_in_s)s::float8 is null then now() end
         where id = %(id)s
        """,
        {"id": alert, "to": list(delivered), "error": error, "again_in_s": again_in_s},
    )


def give_up_old(connection: Postgres) -> int:
    """What nobody could be told for a day is history; how many."""
    told = connection.execute(
        """
        update alerts set given_up_at = now(), last_error = coalesce(last_error, 'nobody was there to be told')
         where sent_at is null and given_up_at is null and at < now() - interval '1 day'
        """
    )
    return told.rowcount
