"""Ending an attempt: one transaction over all the rows that an outcome touches."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.rules.endings import Becomes, Report
from shared.store.connection import Postgres

# Claims and settles share this lock; rebuilds and changes of a cap take it alone.
ADMISSION_LOCK = 7301


@dataclass(frozen=True)
class Ended:
    """An attempt's firing and schedule, locked, as they stood before the ending."""

    token: int
    firing_id: UUID
    request_id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    title: str
    source: str
    nominal_at: datetime
    queued_at: datetime
    claimed_at: datetime
    run_expires_at: datetime
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
    failure_streak: int | None
    turn_budget_breach_streak: int | None
    near_lease_streak: int | None
    max_turns_set_at: datetime | None
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
    def about(self) -> dict[str, Any]:
        """What an alert or a row of the activity log about it names."""
        return {"workspace": self.workspace_id, "schedule": self.schedule_id, "firing": self.firing_id}


def lock_ending(connection: Postgres, token: int) -> Ended | None:
    """The same of a single token; None when there is no such token."""
    return lock_endings(connection, [token]).get(token)


def lock_endings(connection: Postgres, tokens: Sequence[int]) -> dict[int, Ended]:
    """Locks the schedules, then the firings and attempts of tokens; one that does not exist is missing.

    Call it first in a transaction. The order (schedules, firings, attempts, slots, each by id) is everybody's.
    """
    asked = list(tokens)
    connection.execute("select lock_for_endings(%s)", [asked])
    # `has_next` is asked of the schedule's unfinished: of what waits, or by `exists`, it would be looked for among all.
    with connection.cursor(row_factory=class_row(Ended)) as cursor:
        found = cursor.execute(
            """
            with running as (select count(*)::int as firings from firings where status = 'running')
            select a.token, a.firing_id, a.request_id, f.schedule_id, f.workspace_id, f.title, f.source,
                   f.nominal_at, f.queued_at, a.claimed_at, a.run_expires_at, now() as now,
                   a.ended_at is null as live, a.outcome, a.abort_reason, a.interrupting,
                   a.worker ->> 'id' as worker_id,
                   f.attempt_count, f.max_attempts, f.retry_backoff_s, f.interrupted_count,
                   a.turns, f.max_turns, f.max_run_seconds, running.firings as concurrent,
                   s.failure_streak, s.turn_budget_breach_streak, s.near_lease_streak, s.max_turns_set_at,
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
             cross join running
             where a.token = any(%s)
             order by a.token for update of a
            """,
            [asked],
        ).fetchall()
    return {it.token: it for it in found}


def end_attempt(connection: Postgres, ended: Ended, becomes: Becomes, report: Report) -> bool:
    """Writes the end of an attempt and its firing; slot rows follow by themselves. False: fenced.

    Guarded by the token: whoever is not the live attempt any more changes nothing.
    """
    values = {"token": ended.token, "firing": ended.firing_id, **_columns(becomes), **_columns(report)}
    told = connection.execute(_REQUEUE if becomes.status == "queued" else _FINISH, values)
    return told.rowcount == 1


def _columns(told: Becomes | Report) -> dict[str, Any]:
    return {it.name: getattr(told, it.name) for it in fields(told)}


# Attempt and firing end in one statement. The firing is found by its id: `status = 'running'` in so many words would
# let the planner look through all that run (migration 17).
_END = """
    with a as (
      update attempts
         set ended_at = now(), outcome = %(outcome)s, failure_reason = %(reason)s,
             exit_code = coalesce(exit_code, %(exit_code)s), exited_at = coalesce(exited_at, now()),
             turns = greatest(turns, coalesce(%(turns)s, 0)),
             input_tokens = coalesce(%(input_tokens)s, input_tokens),
             output_tokens = coalesce(%(output_tokens)s, output_tokens),
             cost_micros = coalesce(%(cost_micros)s, cost_micros), peak_rss_mb = %(peak_rss_mb)s,
             remote_ref = coalesce(%(remote_ref)s, remote_ref)
       where token = %(token)s and outcome is null
      returning token, turns, input_tokens, output_tokens, cost_micros)
"""
_FINISH = (
    _END  # noqa: S608 two constants, no value
    + """
    update firings f
       set status = %(status)s, finished_at = now(), failure_reason = %(reason)s, error = %(error)s,
           exit_code = %(exit_code)s, result = %(result)s, turns = coalesce(%(turns)s, a.turns),
           input_tokens = a.input_tokens, output_tokens = a.output_tokens, cost_micros = a.cost_micros
      from a
     where f.id = %(firing)s and f.token = %(token)s and f.status || '' = 'running' and a.token = f.token
"""
)
_REQUEUE = (
    _END  # noqa: S608 two constants, no value
    + """
    update firings f
       set status = 'queued', failure_reason = null, error = %(error)s,
           attempt_count = attempt_count - case when %(charged)s then 0 else 1 end,
           interrupted_count = interrupted_count + case when %(outcome)s = 'interrupted' then 1 else 0 end,
           not_before = now() + make_interval(secs => %(backoff_s)s)
      from a
     where f.id = %(firing)s and f.token = %(token)s and f.status || '' = 'running' and a.token = f.token
"""
)


def write_back(connection: Postgres, schedule: UUID, values: dict[str, Any]) -> None:
    """What a schedule remembers of its newest firing, and its streaks."""
    connection.execute(
        """
        update schedules
           set last_run_at = now(), run_count = run_count + 1, last_status = %(last_status)s,
               last_success_at = case when %(last_status)s = 'ok' then now() else last_success_at end,
               last_error = %(error)s, last_failure_reason = %(reason)s, last_turn_count = %(turns)s,
               failure_streak = %(failure_streak)s, turn_budget_breach_streak = %(breach_streak)s,
               near_lease_streak = %(near_lease_streak)s, held_streak = %(held_streak)s,
               suppression_count = suppression_count + %(suppressed)s,
               avg_turns_per_firing = %(avg_turns)s, avg_duration_ms = %(avg_duration_ms)s
         where id = %(schedule)s
        """,
        {"schedule": schedule, **values},
    )


def count_today(connection: Postgres, schedule: UUID, turns: int, today: date) -> None:
    """The turns that a schedule has spent on a day of its zone."""
    connection.execute(
        "update schedules set turns_today = %(turns)s, turns_today_on = %(today)s where id = %(schedule)s",
        {"schedule": schedule, "turns": turns, "today": today},
    )


def auto_pause(connection: Postgres, schedule: UUID, reason: str, note: str) -> None:
    """Pauses a schedule for its streak, unless it is not active any more."""
    connection.execute(
        """
        update schedules
           set status = 'paused', paused_reason = %(reason)s, paused_by = 'slotbeat', pause_note = %(note)s,
               updated_at = now()
         where id = %(schedule)s and status = 'active'
        """,
        {"schedule": schedule, "reason": reason, "note": note},
    )


def add_metrics(connection: Postgres, ended: Ended, values: dict[str, Any]) -> None:
    """One row for the ended firing."""
    connection.execute(
        """
        insert into schedule_firing_metrics (
          firing_id, schedule_id, workspace_id, fired_at, slot_claimed_at, completed_at, slot_wait_ms, duration_ms,
          turn_count, max_turns_at_firing, event_loop_lag_ms, peak_rss_mb,
          interactive_streams, concurrent_firings, failure_reason)
        values (
          %(firing_id)s, %(schedule_id)s, %(workspace_id)s, %(nominal_at)s, %(claimed_at)s, now(),
          greatest(0, extract(epoch from %(claimed_at)s - %(queued_at)s) * 1000)::bigint,
          (extract(epoch from now() - %(claimed_at)s) * 1000)::bigint,
          %(turn_count)s, %(max_turns)s,
          (select (p.facts ->> 'lag_ms')::real from processes p join attempts a on a.worker ->> 'id' = p.id
            where a.token = %(token)s),
          %(peak_rss_mb)s, %(interactive_streams)s, %(concurrent)s, %(failure_reason)s)
        on conflict (firing_id) do nothing
        """,
        {**vars(ended), **values},
    )
