"""Ending an attempt: one transaction over all the rows that an outcome touches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres

# Claims and settles share this lock; rebuilds and changes of a cap take it alone.
ADMISSION_LOCK = 7301


@dataclass(frozen=True)
class Ended:
    """An attempt's firing and schedule, locked, as they stood before the ending."""

    token: int
    firing_id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    title: str
    source: str
    nominal_at: datetime
    queued_at: datetime
    not_before: datetime | None
    claimed_at: datetime
    now: datetime
    live: bool
    outcome: str | None
    abort_reason: str | None
    interrupting: bool
    worker_id: str | None
    attempt_count: int
    max_attempts: int
    retry_backoff_s: int
    interrupted_count: int
    turns: int
    max_turns: int | None
    max_run_seconds: int
    concurrent: int
    lag_ms: float | None
    failure_streak: int | None
    turn_budget_breach_streak: int | None
    near_lease_streak: int | None
    max_turns_set_at: datetime | None
    schedule_max_turns: int | None
    avg_turns_per_firing: int | None
    avg_duration_ms: int | None
    cron: str | None
    timezone: str | None
    schedule_status: str | None
    kind: str | None
    schedule_made_at: datetime | None
    last_run_at: datetime | None
    held_streak: int | None
    turns_today: int | None
    turns_today_on: date | None
    place: str
    class_tripped: bool
    has_next: bool

    @property
    def ran_for(self) -> timedelta:
        """How long the attempt has run; never less than nothing, where the clock was put back meanwhile."""
        return max(self.now - self.claimed_at, timedelta())

    @property
    def about(self) -> dict[str, Any]:
        """What an alert or a row of the activity log about it names."""
        return {"workspace": self.workspace_id, "schedule": self.schedule_id, "firing": self.firing_id}


def lock_endings(connection: Postgres, tokens: Sequence[int]) -> dict[int, Ended]:
    """Locks the schedules, then the firings and attempts of tokens; one that does not exist is missing.

    Call it first in a transaction. The order (schedules, firings, attempts, classes of failures, slots, each by id) is
    everybody's.
    """
    # As text: psycopg takes longer to look at a list than to send it.
    asked = "{" + ",".join(map(str, tokens)) + "}"
    connection.execute("select lock_for_endings(%s::bigint[])", [asked])
    # `has_next` is asked of the schedule's unfinished: of what waits, or by `exists`, it would be looked for among all.
    with connection.cursor(row_factory=class_row(Ended)) as cursor:
        found = cursor.execute(
            """
            with running as (select count(*)::int as firings from firings where status = 'running')
            select a.token, a.firing_id, f.schedule_id, f.workspace_id, f.title, f.source,
                   f.nominal_at, f.queued_at, f.not_before, a.claimed_at, now() as now,
                   a.ended_at is null as live, a.outcome, a.abort_reason, a.interrupting,
                   a.worker ->> 'id' as worker_id,
                   f.attempt_count, f.max_attempts, f.retry_backoff_s, f.interrupted_count,
                   a.turns, f.max_turns, f.max_run_seconds, running.firings as concurrent,
                   (p.facts ->> 'lag_ms')::real as lag_ms,
                   s.failure_streak, s.turn_budget_breach_streak, s.near_lease_streak, s.max_turns_set_at,
                   s.max_turns as schedule_max_turns,
                   s.avg_turns_per_firing, s.avg_duration_ms, s.cron, s.timezone, s.status as schedule_status,
                   s.kind, s.created_at as schedule_made_at, s.last_run_at, s.held_streak, s.turns_today,
                   s.turns_today_on, f.place,
                   exists (select from failure_classes c
                            where c.healed_at is null
                              and c.place = class_place(c.reason, f.workspace_id, f.place)) as class_tripped,
                   (select true from firings q
                     where q.schedule_id = f.schedule_id and q.status in ('queued', 'running')
                       and q.status || '' = 'queued' limit 1) is not null as has_next
              from attempts a
              join firings f on f.id = a.firing_id
              left join schedules s on s.id = f.schedule_id
              left join processes p on p.id = a.worker ->> 'id'
             cross join running
             where a.token = any(%s::bigint[])
             order by a.token for update of a
            """,
            [asked],
        ).fetchall()
    return {it.token: it for it in found}


def count_today(connection: Postgres, schedule: UUID, turns: int, today: date) -> None:
    """The turns that a schedule has spent on a day of its zone."""
    connection.execute(
        "update schedules set turns_today = %(turns)s, turns_today_on = %(today)s where id = %(schedule)s",
        {"schedule": schedule, "turns": turns, "today": today},
    )
