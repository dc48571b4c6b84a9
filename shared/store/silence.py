"""What has not happened for too long: a schedule's success, beat's passes, any sign of life."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Awaited:
    """A schedule that has not succeeded for longer than its `alert_after_s`, counted from `since`."""

    id: UUID
    workspace_id: UUID
    name: str
    alert_after_s: int
    last_success_at: datetime | None
    since: datetime


def without_success(connection: Postgres, most: int) -> list[Awaited]:
    """Those that nobody was told of since; the time counts from the last success, or an edit or resume after it."""
    with connection.cursor(row_factory=class_row(Awaited)) as cursor:
        return cursor.execute(
            """
            select s.id, s.workspace_id, s.name, s.alert_after_s, s.last_success_at, it.since
              from schedules s
             cross join lateral (select greatest(s.last_success_at, s.updated_at) as since) as it
             where s.alert_after_s is not null and s.status = 'active'
               and it.since < now() - make_interval(secs => s.alert_after_s)
               and not exists (select from alerts a
                                where a.dedupe_key = 'no_success:' || s.id::text and a.at > it.since)
             order by s.id limit %s
            """,
            [most],
        ).fetchall()


def beat_late_s(connection: Postgres) -> float | None:
    """How late beat is: the longer of its last sign and the longest due schedule. None: there is no beat at all."""
    row = connection.execute(
        """
        select greatest(
                 (select extract(epoch from now() - max(p.seen_at)) from processes p where p.kind = 'beat'),
                 (select extract(epoch from now() - min(s.due_at)) from schedules s
                   where s.status = 'active' and s.next_run_at is not null))::float8
         where exists (select from processes p where p.kind = 'beat')
        """
    ).fetchone()
    return None if row is None else row[0]


def has_worker(connection: Postgres, within_s: float) -> bool:
    """Whether a worker that can run firings gave a sign lately."""
    row = connection.execute(
        """
        select exists (select from processes
                        where kind = 'worker' and capacity > 0 and seen_at > now() - make_interval(secs => %s))
        """,
        [within_s],
    ).fetchone()
    return row == (True,)
