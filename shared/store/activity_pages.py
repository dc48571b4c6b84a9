"""The activity log as people read it: with names, page by page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Entry:
    """One row of the log with the names of what it is about."""

    id: UUID
    at: datetime
    type: str
    status: str
    actor: str
    request_body: dict[str, Any]
    error_detail: str | None
    duration_ms: int | None
    workspace_id: UUID | None
    workspace: str | None
    schedule_id: UUID | None
    schedule: str | None
    firing_id: UUID | None
    firing: str | None


@dataclass(frozen=True)
class Wanted:
    """Which rows: of a type, of a schedule, or by people only; and before which (`at`, id)."""

    type: str | None = None
    schedule: UUID | None = None
    by_people: bool = False
    before: tuple[datetime, UUID] | None = None


def newest(connection: Postgres, wanted: Wanted, most: int) -> list[Entry]:
    """The newest rows before a moment, newest first; what the processes write by themselves has system as actor."""
    before_at, before_id = wanted.before or (None, None)
    values = {**vars(wanted), "before_at": before_at, "before_id": before_id, "most": most}
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            """
            select l.id, l.at, l.type, l.status, l.actor, l.request_body, left(l.error_detail, 300) as error_detail,
                   l.duration_ms, l.workspace_id, w.name as workspace, l.schedule_id, s.name as schedule,
                   l.firing_id, case when f.id is not null then f.title || ' #' || f.number end as firing
              from activity_logs l
              left join workspaces w on w.id = l.workspace_id
              left join schedules s on s.id = l.schedule_id
              left join firings f on f.id = l.firing_id
             where (%(type)s::text is null or l.type = %(type)s)
               and (%(schedule)s::uuid is null or l.schedule_id = %(schedule)s)
               and (not %(by_people)s or l.type not in ('cron_run', 'reaped', 'auto_paused'))
               and (%(before_at)s::timestamptz is null or (l.at, l.id) < (%(before_at)s, %(before_id)s::uuid))
             order by l.at desc, l.id desc limit %(most)s
            """,
            values,
        ).fetchall()
