"""Firings: made in batches or singly, found in line, read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import args_row, class_row
from psycopg.types.json import Jsonb

from shared.store import idempotency
from shared.store.connection import Postgres
from shared.store.idempotency import Repeat


class InLine(NamedTuple):
    """What the gate needs to know of a queued firing."""

    id: UUID
    workspace_id: UUID
    lane: str | None
    line_no: int
    priority: int
    forced: bool
    title: str


class New(NamedTuple):
    """A firing that a tick makes of a schedule's occurrence."""

    id: UUID
    schedule_id: UUID
    nominal_at: datetime


def add_due(
    connection: Postgres,
    made: Sequence[New],
    *,
    max_turns: int | None,
    max_run_seconds: int,
    source: str | None = None,
) -> list[InLine]:
    """Makes firings of occurrences, in one statement; an occurrence that has one already makes none.

    Prompt, target and the rest are copied as they are now; the arguments are the defaults of the settings.
    Without a `source` it is that of the schedule's kind.
    """
    with connection.cursor(row_factory=args_row(InLine), binary=True) as cursor:
        return cursor.execute(
            """
            insert into firings (id, schedule_id, workspace_id, source, nominal_at, number, title, prompt, target,
                                 priority, lane, max_turns, max_run_seconds, max_attempts, retry_backoff_s,
                                 success_check, schedule_revision)
            select due.id, s.id, s.workspace_id,
                   coalesce(%(source)s, case s.kind when 'heartbeat' then 'heartbeat' else 'scheduled' end),
                   due.nominal_at,
                   s.fired_count + row_number() over (partition by s.id order by due.nominal_at),
                   s.name, s.prompt, s.target, s.priority, s.lane, coalesce(s.max_turns, %(max_turns)s),
                   coalesce(s.max_run_seconds, %(max_run_seconds)s), s.max_attempts, s.retry_backoff_s,
                   s.success_check, s.revision
              from unnest(%(ids)b::uuid[], %(schedules)b::uuid[], %(nominals)b::timestamptz[])
                   as due (id, schedule_id, nominal_at)
              join schedules s on s.id = due.schedule_id
             order by due.nominal_at, s.priority
            on conflict (schedule_id, nominal_at) where source in ('scheduled', 'heartbeat', 'backfill') do nothing
            returning id, workspace_id, lane, line_no, priority, forced, title
            """,
            {
                "ids": [it.id for it in made],
                "schedules": [it.schedule_id for it in made],
                "nominals": [it.nominal_at for it in made],
                "max_turns": max_turns,
                "max_run_seconds": max_run_seconds,
                "source": source,
            },
        ).fetchall()


@dataclass(frozen=True)
class ByHand:
    """A firing that a person asked for, before it is written."""

    id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    source: str
    title: str
    prompt: str
    target: dict[str, Any]
    priority: int
    lane: str | None
    forced: bool
    max_turns: int | None
    max_run_seconds: int
    max_attempts: int
    retry_backoff_s: int
    schedule_revision: int | None
    success_check: dict[str, Any] | None = None
    repeat: Repeat | None = None


def next_line_no(connection: Postgres) -> int:
    """A place at the end of the line."""
    row = connection.execute("select nextval('line_numbers')").fetchone()
    assert row is not None
    return row[0]


def add_by_hand(connection: Postgres, firing: ByHand, line_no: int) -> None:
    """Writes a run-now, a rerun or an ad-hoc firing, due now; in a transaction, where the request may come again."""
    connection.execute(
        """
        with counted as (
          update schedules set fired_count = fired_count + 1 where id = %(schedule_id)s returning fired_count)
        insert into firings (id, schedule_id, workspace_id, source, nominal_at, line_no, number, title, prompt,
                             target, priority, lane, forced, max_turns, max_run_seconds, max_attempts,
                             retry_backoff_s, success_check, schedule_revision)
        values (%(id)s, %(schedule_id)s, %(workspace_id)s, %(source)s, now(), %(line_no)s,
                coalesce((select fired_count from counted), 1), %(title)s, %(prompt)s, %(target)s, %(priority)s,
                %(lane)s, %(forced)s, %(max_turns)s, %(max_run_seconds)s, %(max_attempts)s, %(retry_backoff_s)s,
                %(success_check)s, %(schedule_revision)s)
        """,
        {
            **vars(firing),
            "target": Jsonb(firing.target),
            "success_check": None if firing.success_check is None else Jsonb(firing.success_check),
            "line_no": line_no,
        },
    )
    if firing.repeat is not None:
        idempotency.keep(connection, firing.repeat, firing.id)


def startable(connection: Postgres, after: int, most: int) -> list[InLine]:
    """Queued firings that may start now, in the order they were made, from behind a line number."""
    with connection.cursor(row_factory=class_row(InLine)) as cursor:
        return cursor.execute(
            """
            select id, workspace_id, lane, line_no, priority, forced, title from startable
             where line_no > %(after)s order by line_no limit %(most)s
            """,
            {"after": after, "most": most},
        ).fetchall()


def startable_among(connection: Postgres, ids: Sequence[UUID]) -> list[InLine]:
    """Those of some firings that may start now."""
    with connection.cursor(row_factory=class_row(InLine)) as cursor:
        return cursor.execute(
            """
            select id, workspace_id, lane, line_no, priority, forced, title from startable
             where id = any(%s) order by line_no
            """,
            [list(ids)],
        ).fetchall()


def startable_of(connection: Postgres, schedules: Sequence[UUID]) -> list[InLine]:
    """Of each schedule the first queued firing that may start now: it waited for another one of it to end."""
    # In the order of its line, so that of a hundred that wait one or two are looked at; and none of those that a pause
    # holds (`is_held_by_pause`), as it holds all that wait once a schedule was paused for its failures.
    with connection.cursor(row_factory=class_row(InLine)) as cursor:
        return cursor.execute(
            """
            select it.*
              from (select id as schedule, status = 'paused' as paused from schedules where id = any(%s)) as asked
             cross join lateral (
                   select f.id, f.workspace_id, f.lane, f.line_no, f.priority, f.forced, f.title from firings f
                    where f.schedule_id = asked.schedule and f.status in ('queued', 'running')
                      and (not asked.paused or f.source = 'rerun' or f.forced)
                      and (select true from startable s where s.id = f.id) is not null
                    order by f.line_no limit 1) as it
             order by asked.schedule
            """,
            [list(schedules)],
        ).fetchall()


def unfinished(connection: Postgres, schedules: Sequence[UUID]) -> list[UUID]:
    """Firings of some schedules that wait or run; what waits of a backfill is none of the present's business."""
    if not schedules:
        return []
    rows = connection.execute(
        """
        select id from firings
         where schedule_id = any(%s)
           and (status = 'running' or (status = 'queued' and source <> 'backfill'))
         order by id
        """,
        [list(schedules)],
    ).fetchall()
    return [row[0] for row in rows]


def lock(connection: Postgres, firing: UUID) -> None:
    """Waits for whoever claims or ends it now; it stays as it is then to the end of this transaction."""
    connection.execute("select from firings where id = %s for no key update", [firing])


def cancel_queued(connection: Postgres, firing: UUID, reason: str) -> bool:
    """Ends a firing that waits; False when it does not wait (any more)."""
    told = connection.execute(
        """
        update firings set status = 'cancelled', finished_at = now(), failure_reason = %(reason)s
         where id = %(firing)s and status = 'queued'
        """,
        {"firing": firing, "reason": reason},
    )
    return told.rowcount == 1


@dataclass(frozen=True)
class Firing:
    """A firing as people see it."""

    id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    workspace: str
    source: str
    title: str
    number: int
    nominal_at: datetime
    status: str
    forced: bool
    priority: int
    lane: str | None
    max_turns: int | None
    max_run_seconds: int
    attempt_count: int
    max_attempts: int
    not_before: datetime | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    turns: int
    input_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None
    exit_code: int | None
    failure_reason: str | None
    error: str | None
    result: str | None
    interrupted_count: int


@dataclass(frozen=True)
class Filter:
    """Which firings to list; None means any."""

    schedule: UUID | None = None
    workspace: UUID | None = None
    status: str | None = None
    reason: str | None = None
    since: datetime | None = None
    before: tuple[datetime, UUID] | None = None


_SELECT = """
    select f.id, f.schedule_id, f.workspace_id, w.name as workspace, f.source, f.title, f.number,
           f.nominal_at, f.status, f.forced, f.priority, f.lane, f.max_turns, f.max_run_seconds,
           f.attempt_count, f.max_attempts, f.not_before, f.queued_at, f.started_at, f.finished_at,
           coalesce(a.turns, f.turns) as turns, f.input_tokens, f.output_tokens, f.cost_micros,
           f.exit_code, f.failure_reason, f.error, f.result, f.interrupted_count
      from firings f join workspaces w on w.id = f.workspace_id
      left join attempts a on a.firing_id = f.id and a.ended_at is null
"""


def get(connection: Postgres, firing: UUID) -> Firing | None:
    """One firing, or None."""
    with connection.cursor(row_factory=class_row(Firing)) as cursor:
        return cursor.execute(
            _SELECT + " where f.id = %s",
            [firing],
        ).fetchone()


def newest(connection: Postgres, wanted: Filter, most: int) -> list[Firing]:
    """Firings by the time they were queued, newest first; `before` is the last one of the page before."""
    before_at, before_id = wanted.before or (None, None)
    with connection.cursor(row_factory=class_row(Firing)) as cursor:
        return cursor.execute(
            _SELECT
            + """
             where (%(schedule)s::uuid is null or f.schedule_id = %(schedule)s)
               and (%(workspace)s::uuid is null or f.workspace_id = %(workspace)s)
               and (%(status)s::text is null or f.status = %(status)s)
               and (%(reason)s::text is null or f.failure_reason = %(reason)s)
               and (%(since)s::timestamptz is null or f.queued_at >= %(since)s)
               and (%(before_at)s::timestamptz is null or (f.queued_at, f.id) < (%(before_at)s, %(before_id)s::uuid))
             order by f.queued_at desc, f.id desc limit %(most)s
            """,
            {**vars(wanted), "before_at": before_at, "before_id": before_id, "most": most},
        ).fetchall()
