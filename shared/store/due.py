"""Schedules that are due: locked, decided elsewhere, advanced in one statement."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import args_row
from uuid_utils.compat import uuid7

from shared.events import event
from shared.rules.missed import SkipRange
from shared.store.connection import Postgres, connect

# A schedule is due at the later of next_run_at and deferred_until (the generated column due_at).
LOCK_DUE = """
    select s.id, s.name, s.workspace_id, s.kind, s.cron, s.timezone, s.run_at, s.overlap, s.missed,
           s.start_deadline_s, s.jitter_s, s.start_at, s.end_at, s.remaining_runs, s.next_run_at, s.deferred_until,
           s.skip_next_at,
           s.daily_turn_budget, s.turns_today, s.turns_today_on,
           w.native_scheduler as native, w.status as workspace_status,
           u.queued, u.running,
           p.paused_at as fleet_paused_at, p.resumed_at as fleet_resumed_at,
           num_nonnulls(s.budget_turns, s.budget_tokens, s.budget_micros) > 0 as has_budget, now() as now
      from schedules s join workspaces w on w.id = s.workspace_id left join fleet_pause p on true
     cross join lateral (
       select (count(*) filter (where f.status = 'queued' and f.source <> 'backfill'))::int as queued,
              (count(*) filter (where f.status = 'running'))::int as running
         from firings f where f.schedule_id = s.id and f.status in ('queued', 'running')) u
     where s.status = 'active' and s.next_run_at is not null and s.due_at <= now()
     order by s.due_at limit %(most)s
       for update of s skip locked
"""


class DueSchedule(NamedTuple):
    """A due schedule, locked: what the decision needs, in the order of LOCK_DUE. There may be ten thousand."""

    id: UUID
    name: str
    workspace_id: UUID
    kind: str
    cron: str | None
    timezone: str
    run_at: datetime | None
    overlap: str
    missed: str
    start_deadline_s: int | None
    jitter_s: int
    start_at: datetime | None
    end_at: datetime | None
    remaining_runs: int | None
    next_run_at: datetime
    deferred_until: datetime | None
    skip_next_at: datetime | None
    daily_turn_budget: int | None
    turns_today: int
    turns_today_on: date | None
    native: bool
    workspace_status: str
    queued: int
    running: int
    fleet_paused_at: datetime | None
    fleet_resumed_at: datetime | None
    has_budget: bool
    now: datetime

    @property
    def timing(self) -> tuple[object, ...]:
        """All that its occurrences follow from, but for its jitter, which is its own: from `cron` on."""
        return self[4:16]


class Advance(NamedTuple):
    """Where a schedule goes next; None: nowhere, it has ended. `fired` counts its new firings."""

    schedule_id: UUID
    next_run_at: datetime | None
    fired: int


@dataclass(frozen=True)
class Deferral:
    """Until when the occurrence of a schedule is put off; it stays the one that is due."""

    schedule_id: UUID
    until: datetime


@dataclass(frozen=True)
class NewSkip:
    """Consecutive occurrences that made no firing, for one reason."""

    schedule_id: UUID
    first_at: datetime
    last_at: datetime
    count: int
    reason: str
    detail: str | None = None

    @classmethod
    def of(cls, schedule: UUID, it: SkipRange, detail: str | None = None) -> "NewSkip":
        """That of a rule's range."""
        return cls(schedule, it.first_at, it.last_at, it.count, it.reason, detail)


def is_any_due(connection: Postgres) -> bool:
    """Whether there is anything to lock, by one look that begins no transaction: mostly there is nothing."""
    found = connection.execute(
        "select exists (select from schedules where status = 'active' and next_run_at is not null and due_at <= now())"
    ).fetchone()
    return found is not None and bool(found[0])


def lock_due(connection: Postgres, most: int) -> list[DueSchedule]:
    """Locks due schedules that nobody else has locked, the longest due first."""
    with connection.cursor(row_factory=args_row(DueSchedule), binary=True) as cursor:
        return cursor.execute(LOCK_DUE, {"most": most}).fetchall()


def advance(connection: Postgres, steps: Sequence[Advance]) -> None:
    """Moves schedules to their next occurrence; one without any is archived, its bound reached."""
    connection.execute(
        """
        update schedules s
           set next_run_at = step.next_run_at, deferred_until = null, skip_next_at = null,
               fired_count = s.fired_count + step.fired,
               remaining_runs = s.remaining_runs - step.fired,
               status = case when step.next_run_at is null then 'archived' else s.status end
          from unnest(%(ids)b::uuid[], %(next)b::timestamptz[], %(fired)b::int[]) as step (id, next_run_at, fired)
         where s.id = step.id
        """,
        {
            "ids": [it.schedule_id for it in steps],
            "next": [it.next_run_at for it in steps],
            "fired": [it.fired for it in steps],
        },
    )


def defer(connection: Postgres, deferrals: Sequence[Deferral]) -> None:
    """Puts occurrences off: they are due again at their moment, however often that moves."""
    connection.execute(
        """
        update schedules s set deferred_until = it.until
          from unnest(%(ids)s::uuid[], %(until)s::timestamptz[]) as it (id, until)
         where s.id = it.id
        """,
        {"ids": [it.schedule_id for it in deferrals], "until": [it.until for it in deferrals]},
    )


def add_skips(connection: Postgres, skips: Sequence[NewSkip]) -> None:
    """Records occurrences that made no firing; where some of them are recorded already, that stands.

    A tick must not fail over and over because of one schedule's past.
    """
    if not skips:
        return
    written = connection.execute(
        """
        insert into skips (id, schedule_id, first_at, last_at, count, reason, detail)
        select * from unnest(%(ids)s::uuid[], %(schedules)s::uuid[], %(first)s::timestamptz[],
                             %(last)s::timestamptz[], %(counts)s::bigint[], %(reasons)s::text[], %(details)s::text[])
        on conflict do nothing
        """,
        {
            "ids": [uuid7() for _ in skips],
            "schedules": [it.schedule_id for it in skips],
            "first": [it.first_at for it in skips],
            "last": [it.last_at for it in skips],
            "counts": [it.count for it in skips],
            "reasons": [it.reason for it in skips],
            "details": [it.detail for it in skips],
        },
    )
    if written.rowcount < len(skips):
        # Whole ranges are left out; what of one was not recorded before, the doctor finds by the cron.
        event("skips.recorded_before", level=logging.WARNING, ranges=len(skips) - written.rowcount)


def quarantine(connection: Postgres, schedule: UUID, note: str) -> None:
    """Sets a schedule aside whose next occurrence cannot be computed; it stops nobody else."""
    connection.execute(
        """
        update schedules
           set status = 'paused', paused_reason = 'quarantined', paused_by = 'slotbeat', pause_note = %(note)s,
               paused_until = null, updated_at = now()
         where id = %(schedule)s
        """,
        {"schedule": schedule, "note": note},
    )


def seconds_to_next(connection: Postgres) -> float | None:
    """How long until a schedule is due, or its pause ends, by Postgres's clock; None when none ever will be."""
    row = connection.execute(
        """
        select extract(epoch from least(
                 (select min(due_at) from schedules where status = 'active' and next_run_at is not null),
                 (select min(paused_until) from schedules where status = 'paused' and paused_until is not null)
               ) - clock_timestamp())::float8
        """
    ).fetchone()
    return None if row is None else row[0]


def listen(database_url: str) -> Postgres:
    """A connection of its own that hears of schedules that were added, edited, paused or resumed."""
    connection = connect(database_url, application="slotbeat beat listens")
    connection.execute("listen slotbeat_schedules")
    return connection


def wait_for_edit(listener: Postgres, timeout_s: float) -> bool:
    """Waits until some schedule changed, or for so long; whether one changed."""
    return any(True for _ in listener.notifies(timeout=timeout_s, stop_after=1))
