"""All that a forecast starts from, read at one moment."""

from datetime import timedelta
from uuid import UUID

from psycopg.rows import class_row

from shared.rules.forecast.given import Place, Planned, Standing, World
from shared.rules.zones import is_known
from shared.store import limits
from shared.store.connection import Postgres

# More schedules than a forecast could replay; those that are due first are looked at.
_MOST_SCHEDULES = 20_000
_MOST_WAITING = 20_000


def world(connection: Postgres, hours: float, max_run_seconds: int, alive_s: float) -> World:
    """The rows as they are now; a worker that was silent for longer than `alive_s` counts for nothing.

    Call it in a transaction of one moment. Schedules that are paused beyond the hours are left out.
    """
    row = connection.execute(
        """
        select date_trunc('milliseconds', now()), (select sum(capacity)::int from processes
                        where kind = 'worker' and seen_at > now() - make_interval(secs => %s) and capacity > 0),
               exists (select from fleet_pause where resumed_at is null)
        """,
        [alive_s],
    ).fetchone()
    assert row is not None
    return World(
        row[0],
        limits.caps(connection),
        row[1],
        places(connection),
        schedules(connection, timedelta(hours=hours), max_run_seconds),
        standing(connection),
        row[2],
    )


def places(connection: Postgres) -> list[Place]:
    """Every workspace."""
    with connection.cursor(row_factory=class_row(Place)) as cursor:
        return cursor.execute(
            "select id, name, status, native_scheduler as native from workspaces order by id"
        ).fetchall()


_SELECT = """
    select id, workspace_id, name, cron, timezone, run_at, priority, lane, overlap, missed, start_deadline_s, jitter_s,
           start_at, end_at, remaining_runs, next_run_at, deferred_until,
           case when status = 'paused' then paused_until end as paused_until,
           case when status = 'active' then skip_next_at end as skip_next_at,
           coalesce(max_run_seconds, %(max_run_seconds)s) as max_run_seconds, avg_duration_ms
      from schedules
"""


def schedules(connection: Postgres, within: timedelta, max_run_seconds: int) -> list[Planned]:
    """Schedules that fire within a time: active ones, and paused ones whose pause ends before."""
    with connection.cursor(row_factory=class_row(Planned)) as cursor:
        found = cursor.execute(
            _SELECT
            + """
             where next_run_at is not null
               and ((status = 'active' and due_at < now() + %(within)s)
                    or (status = 'paused' and paused_until < now() + %(within)s))
             order by due_at, id limit %(most)s
            """,
            {"within": within, "max_run_seconds": max_run_seconds, "most": _MOST_SCHEDULES},
        ).fetchall()
    # Of another nothing can be said; when it is due, beat sets it aside.
    return [it for it in found if is_known(it.timezone)]


def schedule(connection: Postgres, known: UUID, max_run_seconds: int) -> Planned | None:
    """One schedule as a forecast takes it, whatever its status; None where it never runs again."""
    with connection.cursor(row_factory=class_row(Planned)) as cursor:
        return cursor.execute(
            _SELECT + " where id = %(known)s and next_run_at is not null",
            {"known": known, "max_run_seconds": max_run_seconds},
        ).fetchone()


def standing(connection: Postgres) -> list[Standing]:
    """What runs and what waits."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(
            """
            select f.id, f.schedule_id, f.workspace_id, f.title, f.source, f.nominal_at, f.queued_at, f.line_no,
                   f.max_run_seconds, f.priority, f.lane, f.forced, f.not_before, a.claimed_at, a.run_expires_at,
                   case when s.status = 'paused' then s.paused_until end as held_until,
                   s.status as schedule_status, s.overlap, s.avg_duration_ms
              from firings f
              left join attempts a on a.firing_id = f.id and a.ended_at is null
              left join schedules s on s.id = f.schedule_id
             where f.status in ('queued', 'running')
             order by f.line_no limit %s
            """,
            [_MOST_WAITING],
        ).fetchall()
