"""Schedules that are due: locked, decided elsewhere, advanced in one statement."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import accumulate
from operator import mul
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import args_row
from uuid_utils import uuid7

from shared.events import event
from shared.rules.line_order import PRIORITY_STEP
from shared.rules.missed import SkipRange
from shared.store.connection import Postgres
from shared.store.uuids import Uuids

# A moment that is none. In an array with a null Postgres counts to each element from the first.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# A schedule is due at the later of next_run_at and deferred_until (the generated column due_at). Locked first: what
# another tick has locked is passed over before anything more is asked of it. They come by all that decides what becomes
# of them, columns 2 to 22 and, with jitter or a budget of its own, its id: first what tells most of them apart.
LOCK_DUE = """
    select it.*, w.native_scheduler, w.status, p.paused_at, p.resumed_at, now()
      from (select array_agg(s.id), s.workspace_id, s.kind, s.cron, s.timezone, s.run_at, s.overlap, s.missed,
                   s.start_deadline_s, s.jitter_s, s.start_at, s.end_at, s.remaining_runs, s.next_run_at,
                   s.deferred_until, s.skip_next_at, s.daily_turn_budget,
                   case when s.daily_turn_budget is null then 0 else s.turns_today end,
                   case when s.daily_turn_budget is not null then s.turns_today_on end, u.queued, u.running,
                   num_nonnulls(s.budget_turns, s.budget_tokens, s.budget_micros) > 0
              from (select * from schedules
                     where status = 'active' and next_run_at is not null and due_at <= now()
                     order by due_at limit %(most)s
                       for update skip locked) s
             cross join lateral (
               select (count(*) filter (where f.status = 'queued' and f.source <> 'backfill'))::int as queued,
                      (count(*) filter (where f.status = 'running'))::int as running
                 from firings f where f.schedule_id = s.id and f.status in ('queued', 'running')) u
             group by case when s.jitter_s > 0 or num_nonnulls(s.budget_turns, s.budget_tokens, s.budget_micros) > 0
                      then s.id end, 14, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 22) it
      join workspaces w on w.id = it.workspace_id left join fleet_pause p on true
"""


class DueAlike(NamedTuple):
    """Locked schedules that are due, and alike in all that decides about them, in the order of LOCK_DUE.

    Of thousands that are due at one moment, most are. One that its id decides about too is by itself.
    """

    ids: list[UUID]
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
    queued: int
    running: int
    has_budget: bool
    native: bool
    workspace_status: str
    fleet_paused_at: datetime | None
    fleet_resumed_at: datetime | None
    now: datetime

    @property
    def id(self) -> UUID:
        """Of one that is by itself, which one; of others the first."""
        return self.ids[0]

    @property
    def timing(self) -> tuple[object, ...]:
        """All that their occurrences follow from, but for jitter, which is of each its own: from `cron` on."""
        return self[3:15]


class Move(NamedTuple):
    """Where schedules go next (None: nowhere, they have ended), and the occurrences that they fire before."""

    next_run_at: datetime | None
    fire: tuple[datetime, ...]


@dataclass(frozen=True)
class Terms:
    """What firings have of the settings, where their schedules say nothing; and workspaces that are not fit for any."""

    max_turns: int | None
    max_run_seconds: int
    unfit: Sequence[UUID] = ()


@dataclass(frozen=True)
class Made:
    """The new firings of an advance: those for the line, as the gate takes them, and those not to be offered yet.

    `ids` are the bytes of all of them, and of those that were not made, for there was one already.
    """

    ids: list[bytes]
    written: list[str]
    held: list[UUID]


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


def lock_due(connection: Postgres, most: int) -> list[DueAlike]:
    """Locks due schedules that nobody else has locked, those that have been due for longest; in no order."""
    with connection.cursor(row_factory=args_row(DueAlike), binary=True) as cursor:
        return cursor.execute(LOCK_DUE, {"most": most}).fetchall()


def advance(connection: Postgres, moves: Mapping[Move, Sequence[UUID]], terms: Terms, *, sure: bool) -> Made:
    """Moves locked schedules to their next occurrence and makes the firings of those that came, in one statement.

    One without a next occurrence is archived, its bound reached. Prompt, target and the rest are copied as they are
    now. An occurrence that has a firing already makes none; if `sure`, nobody looks, and it is a UniqueViolation.
    """
    fired = [len(it.fire) for it in moves]
    counts = [len(schedules) for schedules in moves.values()]
    ids = [uuid7().bytes for _ in range(sum(map(mul, fired, counts)))]
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            # What is behind (select ...) the planner cannot count: it finds each schedule by its id, where it would
            # read all of them to find thousands. Firings have their ids in the order of the line, whichever schedule
            # they are of. What the gate takes of each, as Waiter.facts has it, is written here: so ten thousand of
            # them need not be read to be written again.
            """
            with moved as (
              update schedules s
                 set next_run_at = nullif((%(next)b::timestamptz[])[it.move], %(never)s),
                     deferred_until = null, skip_next_at = null,
                     fired_count = s.fired_count + (%(fired)b::int[])[it.move],
                     remaining_runs = s.remaining_runs - (%(fired)b::int[])[it.move],
                     status = case (%(next)b::timestamptz[])[it.move] when %(never)s then 'archived' else s.status end,
                     updated_at = case (%(next)b::timestamptz[])[it.move] when %(never)s then now() else updated_at end
                from (select id, width_bucket(at, %(firsts)b::bigint[]) as move
                        from unnest((select %(schedules)b::uuid[])) with ordinality as them (id, at)) as it
               where s.id = it.id
              returning s.id, s.workspace_id, s.kind, s.fired_count - (%(fired)b::int[])[it.move] as fired_before,
                        s.name, s.prompt, s.target, s.priority, s.lane, s.max_turns, s.max_run_seconds, s.max_attempts,
                        s.retry_backoff_s, s.success_check, s.revision, it.move),
            due as (
              select s.*, nth, (%(nominals)b::timestamptz[])[(%(before)b::int[])[s.move] + nth] as nominal_at
                from moved s cross join lateral generate_series(1, (%(fired)b::int[])[s.move]) as nth)
            insert into firings (id, schedule_id, workspace_id, source, nominal_at, number, title, prompt, target,
                                 priority, lane, max_turns, max_run_seconds, max_attempts, retry_backoff_s,
                                 success_check, schedule_revision)
            select (%(ids)b::uuid[])[row_number() over (order by s.nominal_at, s.priority)], s.id, s.workspace_id,
                   case s.kind when 'heartbeat' then 'heartbeat' else 'scheduled' end,
                   s.nominal_at, s.fired_before + s.nth, s.name, s.prompt, s.target, s.priority, s.lane,
                   coalesce(s.max_turns, %(max_turns)s), coalesce(s.max_run_seconds, %(max_run_seconds)s),
                   s.max_attempts, s.retry_backoff_s, s.success_check, s.revision
              from due s
             where %(sure)s or not exists (
                     select from firings f
                      where f.schedule_id = s.id and f.nominal_at = s.nominal_at
                        and f.source in ('scheduled', 'heartbeat', 'backfill'))
             order by s.nominal_at, s.priority
            returning case when workspace_id = any(%(unfit)b::uuid[]) then id end,
                      concat('["', id, '","', workspace_id, '",', to_json(coalesce(lane, '')), ',',
                             line_no + priority * %(step)s, ',"', forced::int, '",', to_json(title), ']')
            """,
            {
                "schedules": Uuids([it.bytes for schedules in moves.values() for it in schedules]),
                "firsts": list(accumulate(counts, initial=1))[:-1],
                "next": [it.next_run_at or _NEVER for it in moves],
                "never": _NEVER,
                "fired": fired,
                "nominals": [at for it in moves for at in it.fire],
                "before": list(accumulate(fired, initial=0))[:-1],
                "ids": Uuids(ids),
                "step": PRIORITY_STEP,
                "sure": sure,
                "max_turns": terms.max_turns,
                "max_run_seconds": terms.max_run_seconds,
                "unfit": list(terms.unfit),
            },
        ).fetchall()
    return Made(ids, [text for held, text in rows if held is None], [held for held, _ in rows if held is not None])


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


def add_skips(connection: Postgres, skips: Sequence[NewSkip], *, counted: bool = False) -> None:
    """Records occurrences that made no firing; where some of them are recorded already, that stands.

    A tick must not fail over and over because of one schedule's past. `counted`: metrics have them already.
    """
    if not skips:
        return
    written = connection.execute(
        """
        insert into skips (id, schedule_id, first_at, last_at, count, reason, detail, is_counted)
        select *, %(counted)s
          from unnest(%(ids)b::uuid[], %(schedules)s::uuid[], %(first)s::timestamptz[],
                      %(last)s::timestamptz[], %(counts)s::bigint[], %(reasons)s::text[], %(details)s::text[])
        on conflict do nothing
        """,
        {
            "ids": Uuids([uuid7().bytes for _ in skips]),
            "schedules": [it.schedule_id for it in skips],
            "first": [it.first_at for it in skips],
            "last": [it.last_at for it in skips],
            "counts": [it.count for it in skips],
            "reasons": [it.reason for it in skips],
            "details": [it.detail for it in skips],
            "counted": counted,
        },
    )
    if written.rowcount < len(skips):
        # Whole ranges are left out; what of one was not recorded before, the doctor finds by the cron.
        event("skips.recorded_before", level=logging.WARNING, ranges=len(skips) - written.rowcount)


def quarantine(connection: Postgres, schedule: UUID, note: str) -> str:
    """Sets a schedule aside whose next occurrence cannot be computed; it stops nobody else. Its name."""
    told = connection.execute(
        """
        update schedules
           set status = 'paused', paused_reason = 'quarantined', paused_by = 'slotbeat', pause_note = %(note)s,
               paused_until = null, updated_at = now()
         where id = %(schedule)s
        returning name
        """,
        {"schedule": schedule, "note": note},
    ).fetchone()
    assert told is not None, "its row is locked"
    return told[0]


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
