"""What waited, ran and ended within a span of time, for the timeline of the dashboard."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Stretch:
    """One attempt of a firing, or (without `claimed_at`) its time in line so far."""

    firing_id: UUID
    schedule_id: UUID | None
    workspace: str
    title: str
    number: int
    status: str
    forced: bool
    queued_at: datetime
    finished_at: datetime | None
    attempt: int | None
    claimed_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    failure_reason: str | None


def stretches(connection: Postgres, since: datetime, until: datetime, most: int) -> list[Stretch]:
    """Firing by firing, attempt by attempt; of very many ended ones the newest.

    A firing runs a day at most, so one that reached into the span ended within a day of its end.
    """
    with connection.cursor(row_factory=class_row(Stretch)) as cursor:
        return cursor.execute(
            """
            with seen as (
              (select firing_id as id from attempts where ended_at is null and claimed_at < %(until)s limit %(most)s)
              union
              (select id from firings where status = 'queued' and queued_at < %(until)s order by line_no limit 200)
              union
              (select firing_id from schedule_firing_metrics
                where completed_at > %(since)s and completed_at < %(until)s::timestamptz + interval '1 day'
                  and fired_at < %(until)s
                order by completed_at desc limit %(most)s))
            select f.id as firing_id, f.schedule_id, w.name as workspace, f.title, f.number, f.status, f.forced,
                   f.queued_at, f.finished_at, a.number as attempt, a.claimed_at, a.ended_at, a.outcome,
                   coalesce(a.failure_reason, f.failure_reason) as failure_reason
              from seen
              join firings f on f.id = seen.id
              join workspaces w on w.id = f.workspace_id
              left join attempts a on a.firing_id = f.id
             order by f.queued_at, f.id, a.number
            """,
            {"since": since, "until": until, "most": most},
        ).fetchall()
