"""How a schedule is changed: edited, paused, resumed, archived or deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres
from shared.store.schedules import as_columns


@dataclass(frozen=True)
class Edit:
    """One edit of a schedule: the writable columns as they will be, what changed, who did it."""

    schedule: UUID
    values: Mapping[str, Any]
    changes: Mapping[str, Any]
    actor: str
    # When it runs next and since when its times are these, if the edit changes that: an edit of the prompt alone
    # must not lose an occurrence.
    next_run_at: datetime | None = None
    since: datetime | None = None
    # The occurrence that a person took out, if it is still the next one.
    skip_next_at: datetime | None = None


def write(connection: Postgres, edit: Edit) -> int:
    """Writes an edit of a locked schedule with a row of its history; the new revision."""
    row = connection.execute(
        """
        update schedules set
          workspace_id = %(workspace_id)s, name = %(name)s, kind = %(kind)s, cron = %(cron)s, run_at = %(run_at)s,
          timezone = %(timezone)s, prompt = %(prompt)s, target = %(target)s, priority = %(priority)s,
          lane = %(lane)s, overlap = %(overlap)s, missed = %(missed)s, start_deadline_s = %(start_deadline_s)s,
          jitter_s = %(jitter_s)s, start_at = %(start_at)s, end_at = %(end_at)s,
          remaining_runs = %(remaining_runs)s, max_turns = %(max_turns)s, max_run_seconds = %(max_run_seconds)s,
          max_attempts = %(max_attempts)s, retry_backoff_s = %(retry_backoff_s)s,
          daily_turn_budget = %(daily_turn_budget)s, budget_turns = %(budget_turns)s,
          budget_tokens = %(budget_tokens)s, budget_micros = %(budget_micros)s, success_check = %(success_check)s,
          alert_after_s = %(alert_after_s)s,
          max_turns_set_at = case when max_turns is distinct from %(max_turns)s then now() else max_turns_set_at end,
          next_run_at = coalesce(%(next_run_at)s, next_run_at),
          deferred_until = case when %(next_run_at)s::timestamptz is null then deferred_until end,
          skip_next_at = %(skip_next_at)s,
          timing_since = coalesce(%(since)s, timing_since),
          revision = revision + 1, updated_at = now()
        where id = %(id)s
        returning revision
        """,
        {
            **as_columns(edit.values),
            "id": edit.schedule,
            "next_run_at": edit.next_run_at,
            "since": edit.since,
            "skip_next_at": edit.skip_next_at,
        },
    ).fetchone()
    assert row is not None
    connection.execute(
        """
        insert into schedule_revisions (schedule_id, revision, changes, actor)
        values (%(schedule)s, %(revision)s, %(changes)s, %(actor)s)
        """,
        {
            "schedule": edit.schedule,
            "revision": row[0],
            "changes": Jsonb(dict(edit.changes)),
            "actor": edit.actor,
        },
    )
    return row[0]


@dataclass(frozen=True)
class Revision:
    """One edit of a schedule, as its history shows it."""

    revision: int
    changes: dict[str, Any]
    actor: str
    at: datetime


def revisions(connection: Postgres, schedule: UUID, most: int, before: int | None = None) -> list[Revision]:
    """The edits of a schedule, newest first, those `before` a revision."""
    with connection.cursor(row_factory=class_row(Revision)) as cursor:
        return cursor.execute(
            """
            select revision, changes, actor, at from schedule_revisions
             where schedule_id = %(schedule)s and (%(before)s::bigint is null or revision < %(before)s)
             order by revision desc limit %(most)s
            """,
            {"schedule": schedule, "before": before, "most": most},
        ).fetchall()


def pause(connection: Postgres, schedule: UUID, by: str, note: str | None, until: datetime | None) -> bool:
    """Pauses a schedule that is not archived; False when it is paused so already.

    Of one that is paused the newest wish counts, until when and by whom; a note stays until there is another.
    """
    told = connection.execute(
        """
        update schedules
           set status = 'paused', paused_by = %(by)s, pause_note = coalesce(%(note)s, pause_note),
               paused_reason = case paused_reason when 'quarantined' then paused_reason else 'manual' end,
               paused_until = %(until)s, updated_at = now()
         where id = %(schedule)s
           and (status = 'active'
                or (status = 'paused'
                    and (paused_reason not in ('manual', 'quarantined')
                         or (paused_until, pause_note)
                            is distinct from (%(until)s::timestamptz, coalesce(%(note)s, pause_note)))))
        """,
        {"schedule": schedule, "by": by, "note": note, "until": until},
    )
    return told.rowcount == 1


def newest_decided(connection: Postgres, schedule: UUID) -> datetime | None:
    """The newest occurrence that made a firing or a skip."""
    row = connection.execute(
        """
        select greatest((select max(nominal_at) from firings
                          where schedule_id = %(id)s and source in ('scheduled', 'heartbeat', 'backfill')),
                        (select max(last_at) from skips where schedule_id = %(id)s))
        """,
        {"id": schedule},
    ).fetchone()
    return None if row is None else row[0]


def resume(connection: Postgres, schedule: UUID, next_run_at: datetime) -> bool:
    """Makes a paused schedule active from now on, its streaks forgotten; False when it is not paused.

    An occurrence that a person took out stays so, if it is still the next one.

    Where zones' rules changed meanwhile, the next occurrence may be an earlier one: then it counts as an edit.
    """
    told = connection.execute(
        """
        update schedules
           set status = 'active', next_run_at = %(next)s, deferred_until = null,
               skip_next_at = case when next_run_at = %(next)s then skip_next_at end, updated_at = now(),
               revision = revision + case when next_run_at > %(next)s then 1 else 0 end,
               paused_reason = null, paused_by = null, paused_until = null, pause_note = null,
               failure_streak = 0, turn_budget_breach_streak = 0, near_lease_streak = 0, held_streak = 0
         where id = %(schedule)s and status = 'paused'
        """,
        {"schedule": schedule, "next": next_run_at},
    )
    return told.rowcount == 1


def end(connection: Postgres, schedule: UUID) -> None:
    """Archives a schedule of which no occurrence is left."""
    connection.execute(
        """
        update schedules set status = 'archived', next_run_at = null, deferred_until = null, updated_at = now()
         where id = %s and status <> 'archived'
        """,
        [schedule],
    )


def skip_next(connection: Postgres, schedule: UUID, at: datetime | None) -> None:
    """Writes which occurrence is to be skipped once; None for none."""
    connection.execute("update schedules set skip_next_at = %s, updated_at = now() where id = %s", [at, schedule])


def queued(connection: Postgres, schedule: UUID) -> list[UUID]:
    """The firings of a schedule that wait."""
    rows = connection.execute(
        "select id from firings where schedule_id = %s and status = 'queued' order by line_no", [schedule]
    ).fetchall()
    return [row[0] for row in rows]


def cancel_queued(connection: Postgres, schedule: UUID) -> list[UUID]:
    """Ends the firings of a schedule that wait, in one statement; which they were."""
    rows = connection.execute(
        """
        update firings set status = 'cancelled', finished_at = now(), failure_reason = 'cancelled'
         where schedule_id = %s and status = 'queued'
        returning id
        """,
        [schedule],
    ).fetchall()
    return [row[0] for row in rows]


def grant_no_more_attempts(connection: Postgres, schedule: UUID) -> None:
    """What runs of a schedule has its last attempt; one that a deploy interrupts is still continued."""
    connection.execute(
        "update firings set max_attempts = attempt_count where schedule_id = %s and status = 'running'", [schedule]
    )


def remove(connection: Postgres, schedule: UUID) -> str:
    """Deletes a locked schedule that left no trace, else archives it: `deleted` or `archived`."""
    deleted = connection.execute(
        """
        with kept as (
          select exists (select from firings where schedule_id = %(id)s)
              or exists (select from skips where schedule_id = %(id)s) as history),
             forgotten as (
          delete from schedule_revisions where schedule_id = %(id)s and not (select history from kept))
        delete from schedules where id = %(id)s and not (select history from kept)
        """,
        {"id": schedule},
    )
    if deleted.rowcount:
        return "deleted"
    end(connection, schedule)
    return "archived"
