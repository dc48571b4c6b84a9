"""What the dashboard's first page shows: every query bounded, all of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Database, Postgres

# The line is looked at this deep; with line numbers in a row, its first hundred places are exact.
_LINE_WINDOW = 1200


@contextmanager
def one_moment(database: Database) -> Iterator[Postgres]:
    """A read-only transaction in which all queries see the same rows, and `now()` is one instant."""
    with database.transaction() as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        yield connection


@dataclass(frozen=True)
class Totals:
    """Counts over everything, of which the lists show the beginning; and Postgres's now."""

    now: datetime
    waiting: int
    running: int
    schedules: int
    paused: int


def totals(connection: Postgres) -> Totals:
    """The counts; schedules without the archived ones."""
    with connection.cursor(row_factory=class_row(Totals)) as cursor:
        row = cursor.execute(
            """
            select now() as now,
                   (select count(*) from firings where status = 'queued') as waiting,
                   (select count(*) from firings where status = 'running') as running,
                   count(*) as schedules, count(*) filter (where status = 'paused') as paused
              from schedules where status <> 'archived'
            """
        ).fetchone()
    assert row is not None
    return row


@dataclass(frozen=True)
class LimitUse:
    """A limit with its held slot rows counted; `workspace` names the one it is of."""

    key: str
    workspace: str | None
    cap: int
    held: int
    forced: int
    surplus: int


def limits(connection: Postgres) -> list[LimitUse]:
    """Every limit: the fleet, then workspaces, then lanes, by name."""
    with connection.cursor(row_factory=class_row(LimitUse)) as cursor:
        return cursor.execute(
            """
            select l.key, w.name as workspace, l.cap, count(s.token)::int as held,
                   (count(*) filter (where s.forced))::int as forced, l.surplus
              from limits l
              left join slots s on s.limit_key = l.key and s.token is not null
              left join workspaces w on l.key = 'workspace:' || w.id
             group by l.key, w.name
             order by l.key <> 'fleet', l.key like 'lane:%%', coalesce(w.name, l.key)
            """
        ).fetchall()


@dataclass(frozen=True)
class Waits:
    """A queued firing with all that could keep it from starting."""

    id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    workspace: str
    workspace_status: str
    title: str
    number: int
    source: str
    priority: int
    lane: str | None
    forced: bool
    attempt_count: int
    max_attempts: int
    queued_at: datetime
    not_before: datetime | None
    schedule_status: str | None
    runs_already: bool
    held_by_class: str | None
    avg_duration_ms: int | None
    max_run_seconds: int


def line(connection: Postgres, most: int, priority_step: int) -> list[Waits]:
    """The line from its head, in the gate's order: a place later per step of priority."""
    with connection.cursor(row_factory=class_row(Waits)) as cursor:
        return cursor.execute(
            """
            select f.id, f.schedule_id, f.workspace_id, w.name as workspace, w.status as workspace_status,
                   f.title, f.number, f.source, f.priority, f.lane, f.forced, f.attempt_count, f.max_attempts,
                   f.queued_at, f.not_before, s.status as schedule_status, s.avg_duration_ms, f.max_run_seconds,
                   s.overlap <> 'allow' and f.source not in ('manual', 'rerun') and exists (
                     select from firings r where r.schedule_id = s.id and r.status = 'running') as runs_already,
                   case when not f.forced and f.source not in ('manual', 'rerun', 'adhoc') then (
                     select min(c.key) from failure_classes c
                      where c.healed_at is null and c.probe_id is distinct from f.id
                        and c.place = class_place(c.reason, f.workspace_id, f.place)) end as held_by_class
              from (select * from firings where status = 'queued' order by line_no limit %(window)s) f
              join workspaces w on w.id = f.workspace_id
              left join schedules s on s.id = f.schedule_id
             order by f.line_no + f.priority * %(step)s limit %(most)s
            """,
            {"window": _LINE_WINDOW, "step": priority_step, "most": most},
        ).fetchall()


@dataclass(frozen=True)
class Runs:
    """A running firing with its live attempt."""

    id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    workspace: str
    title: str
    number: int
    source: str
    lane: str | None
    forced: bool
    attempt_count: int
    max_attempts: int
    interrupted_count: int
    worker: str
    claimed_at: datetime
    heartbeat_expires_at: datetime
    run_expires_at: datetime
    abort_reason: str | None
    interrupting: bool
    exited_at: datetime | None
    dead_ticks: int
    turns: int
    max_turns: int | None
    avg_duration_ms: int | None


def running(connection: Postgres, most: int) -> list[Runs]:
    """What runs, the longest-running first."""
    with connection.cursor(row_factory=class_row(Runs)) as cursor:
        return cursor.execute(
            """
            select f.id, f.schedule_id, f.workspace_id, w.name as workspace, f.title, f.number, f.source, f.lane,
                   f.forced, f.attempt_count, f.max_attempts, f.interrupted_count,
                   coalesce(a.worker ->> 'node', a.worker ->> 'id', 'unknown')
                     || coalesce(', pid ' || (a.worker ->> 'pid'), '') as worker,
                   a.claimed_at, a.heartbeat_expires_at, a.run_expires_at, a.abort_reason, a.interrupting,
                   a.exited_at, a.dead_ticks, a.turns, f.max_turns, s.avg_duration_ms
              from attempts a
              join firings f on f.id = a.firing_id
              join workspaces w on w.id = f.workspace_id
              left join schedules s on s.id = f.schedule_id
             where a.ended_at is null
             order by a.claimed_at limit %(most)s
            """,
            {"most": most},
        ).fetchall()


@dataclass(frozen=True)
class Over:
    """An ended firing."""

    id: UUID
    schedule_id: UUID | None
    workspace: str
    title: str
    number: int
    source: str
    status: str
    forced: bool
    failure_reason: str | None
    error: str | None
    attempt_count: int
    max_attempts: int
    turns: int
    max_turns: int | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime
    slot_wait_ms: int | None
    duration_ms: int | None


def ended(connection: Postgres, most: int) -> list[Over]:
    """The last ended firings, newest first.

    Found through the index of their metrics; one that was cancelled in line has none, and is found among
    the firings queued last.
    """
    with connection.cursor(row_factory=class_row(Over)) as cursor:
        return cursor.execute(
            """
            with seen as (
              (select firing_id as id from schedule_firing_metrics order by completed_at desc limit %(most)s)
              union
              (select id from (select id, status from firings order by queued_at desc, id desc limit 500) as newest
                where status = 'cancelled'))
            select f.id, f.schedule_id, w.name as workspace, f.title, f.number, f.source, f.status, f.forced,
                   f.failure_reason, left(f.error, 300) as error, f.attempt_count, f.max_attempts, f.turns,
                   f.max_turns, f.queued_at, f.started_at, f.finished_at, m.slot_wait_ms, m.duration_ms
              from seen
              join firings f on f.id = seen.id
              join workspaces w on w.id = f.workspace_id
              left join schedule_firing_metrics m on m.firing_id = f.id
             where f.finished_at is not null
             order by f.finished_at desc, f.id desc limit %(most)s
            """,
            {"most": most},
        ).fetchall()


def name_of(connection: Postgres, known: UUID, only: UUID | None = None) -> str | None:
    """The name of the firing, schedule or workspace of an id, of workspace `only`; None when there is none."""
    row = connection.execute(
        """
        select named.name from (
          select title as name, workspace_id from firings where id = %(id)s
           union all select name, workspace_id from schedules where id = %(id)s
           union all select name, id from workspaces where id = %(id)s) named
         where %(only)s::uuid is null or named.workspace_id = %(only)s
        """,
        {"id": known, "only": only},
    ).fetchone()
    return None if row is None else row[0]
