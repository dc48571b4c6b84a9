"""What the rows say of a firing, and of a schedule at a moment: all that `why` reads."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.rules.why.firing import Deed, Fired, Try
from shared.rules.why.schedule import Edit, Row, Skipped, Then
from shared.rules.why.waiting import Hold, Tripped
from shared.store.connection import Postgres

_MOST = 2000


def firing(connection: Postgres, known: UUID) -> Fired | None:
    """A firing's row with what it needs of its schedule and workspace."""
    with connection.cursor(row_factory=class_row(Fired)) as cursor:
        return cursor.execute(
            """
            select f.id, f.title, f.number, f.source, f.forced, f.status, f.nominal_at, f.queued_at, f.not_before,
                   f.finished_at, f.failure_reason, f.error, f.attempt_count, f.max_attempts, f.turns, f.max_turns,
                   f.workspace_id,
                   w.name as workspace, w.status as workspace_status, f.lane, f.schedule_id,
                   s.status as schedule_status, s.paused_by, s.pause_note, s.overlap, s.jitter_s, now() as now
              from firings f
              join workspaces w on w.id = f.workspace_id
              left join schedules s on s.id = f.schedule_id
             where f.id = %s
            """,
            [known],
        ).fetchone()


def tries(connection: Postgres, known: UUID) -> list[Try]:
    """The attempts of a firing, in order."""
    with connection.cursor(row_factory=class_row(Try)) as cursor:
        return cursor.execute(
            """
            select number, coalesce(worker ->> 'node', worker ->> 'id', 'unknown') as worker, claimed_at, ended_at,
                   outcome, failure_reason, exit_code, abort_requested_at, abort_reason,
                   late_result is not null as late
              from attempts where firing_id = %s order by number
            """,
            [known],
        ).fetchall()


def deeds(connection: Postgres, known: UUID) -> list[Deed]:
    """The activity log's rows about a firing."""
    with connection.cursor(row_factory=class_row(Deed)) as cursor:
        return cursor.execute(
            "select type, actor, at, request_body as body from activity_logs where firing_id = %s order by at", [known]
        ).fetchall()


def holds(connection: Postgres, besides: UUID, since: datetime, until: datetime) -> list[Hold]:
    """Attempts of other firings that held slots in a span; the newest, where there were very many."""
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(
            """
            select f.title, f.schedule_id, f.workspace_id, f.lane, a.claimed_at, a.ended_at
              from attempts a join firings f on f.id = a.firing_id
             where a.claimed_at < %(until)s and (a.ended_at is null or a.ended_at > %(since)s)
               and a.firing_id <> %(besides)s
             order by a.claimed_at desc limit %(most)s
            """,
            {"besides": besides, "since": since, "until": until, "most": _MOST},
        ).fetchall()


def tripped(connection: Postgres, known: UUID, since: datetime, until: datetime) -> list[Tripped]:
    """Classes of failures that were tripped in a span, at the place where they hold a firing."""
    with connection.cursor(row_factory=class_row(Tripped)) as cursor:
        return cursor.execute(
            """
            select c.key, c.tripped_at, c.healed_at, c.probe_id is not distinct from f.id as tried_by_it
              from failure_classes c, firings f
             where f.id = %(known)s and c.tripped_at < %(until)s and (c.healed_at is null or c.healed_at > %(since)s)
               and f.source not in ('manual', 'rerun', 'adhoc') and not f.forced
               and c.place = class_place(c.reason, f.workspace_id, f.place)
             order by c.tripped_at
            """,
            {"known": known, "since": since, "until": until},
        ).fetchall()


def schedule(connection: Postgres, known: UUID) -> Row | None:
    """A schedule's row."""
    with connection.cursor(row_factory=class_row(Row)) as cursor:
        return cursor.execute(
            """
            select id, name, status, created_at, updated_at, cron, run_at, timezone, start_at, end_at, next_run_at,
                   deferred_until, skip_next_at, paused_by, paused_reason, pause_note, paused_until, now() as now
              from schedules where id = %s
            """,
            [known],
        ).fetchone()


def latest(connection: Postgres, known: UUID) -> tuple[datetime, UUID | None] | None:
    """The moment of the last thing that a schedule did, and its firing; None for an occurrence that was skipped."""
    return connection.execute(
        """
        select it.at, it.firing
          from ((select nominal_at as at, id as firing, queued_at as done from firings
                  where schedule_id = %(known)s order by queued_at desc, id desc limit 1)
                union all
                (select last_at, null, last_at from skips
                  where schedule_id = %(known)s order by last_at desc limit 1)) as it
         order by it.done desc, it.firing nulls first limit 1
        """,
        {"known": known},
    ).fetchone()


def firing_of(connection: Postgres, known: UUID, begin: datetime, end: datetime) -> UUID | None:
    """The firing of a schedule whose nominal time is in a span; of several, the one of an occurrence.

    None where its occurrence there was skipped: a run by hand beside it is no answer to why.
    """
    row = connection.execute(
        """
        select id from firings where schedule_id = %(known)s and nominal_at >= %(begin)s and nominal_at < %(end)s
           and (source not in ('manual', 'rerun')
                or not exists (select from skips k
                                where k.schedule_id = %(known)s
                                  and ((k.first_at >= %(begin)s and k.first_at < %(end)s)
                                       or (k.last_at >= %(begin)s and k.last_at < %(end)s))))
         order by source in ('manual', 'rerun'), nominal_at, id limit 1
        """,
        {"known": known, "begin": begin, "end": end},
    ).fetchone()
    return None if row is None else row[0]


def then(connection: Postgres, known: UUID, at: datetime, end: datetime) -> Then:
    """What the rows say of a moment and its minute."""
    return Then(_skip(connection, known, at, end), _pauses(connection, known, at), _edits(connection, known, at))


def _skip(connection: Postgres, known: UUID, at: datetime, end: datetime) -> Skipped | None:
    with connection.cursor(row_factory=class_row(Skipped)) as cursor:
        return cursor.execute(
            """
            select k.first_at, k.last_at, k.count, k.reason, k.detail, k.at,
                   (select format('firing #%%s, queued at %%sZ', f.number,
                                  to_char(f.queued_at, 'YYYY-MM-DD HH24:MI:SS'))
                      from firings f
                     where f.schedule_id = k.schedule_id and f.queued_at <= k.at
                       and (f.finished_at is null or f.finished_at >= k.at)
                     order by f.queued_at limit 1) as blocker
              from skips k
             where k.schedule_id = %(known)s and k.first_at < %(end)s and k.last_at >= %(at)s
             order by k.first_at limit 1
            """,
            {"known": known, "at": at, "end": end},
        ).fetchone()


def _pauses(connection: Postgres, known: UUID, at: datetime) -> Sequence[Deed]:
    with connection.cursor(row_factory=class_row(Deed)) as cursor:
        return cursor.execute(
            """
            select type, actor, at, request_body as body from activity_logs
             where schedule_id = %s and type in ('schedule_paused', 'auto_paused', 'schedule_resumed')
             order by at > %s, at desc limit 1
            """,
            [known, at],
        ).fetchall()


def _edits(connection: Postgres, known: UUID, at: datetime) -> Sequence[Edit]:
    with connection.cursor(row_factory=class_row(Edit)) as cursor:
        return cursor.execute(
            """
            select revision, at, actor, changes from schedule_revisions
             where schedule_id = %s and at > %s order by revision
            """,
            [known, at],
        ).fetchall()
