"""Classes of failures that schedules share: what speaks for an outage, trips, probes, recoveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from shared.rules.failure_classes import Evidence
from shared.store.connection import Postgres

# Failures of one class are judged one after the other: else three at once would each see only itself.
_JUDGING = 7302

_WORKSPACE_UNAVAILABLE = "workspace_unavailable"


@dataclass(frozen=True)
class Failed:
    """A schedule's firing that failed for a reason of the outside world, and when the one before it ended."""

    key: str
    reason: str
    place: str
    workspace: UUID
    schedule: UUID
    since: datetime


def place_of(reason: str, workspace: UUID, place: str) -> str:
    """Where failures of a firing for a reason are looked for."""
    return f"workspace:{workspace}" if reason == _WORKSPACE_UNAVAILABLE else place


def evidence(connection: Postgres, failed: Failed, window: timedelta) -> Evidence:
    """What speaks for an outage, this failure among it. Call it when the attempt has been ended.

    Whoever asks about the same class meanwhile waits for the end of this transaction.
    """
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [_JUDGING, failed.key])
    completed = _completed_in_workspace if failed.reason == _WORKSPACE_UNAVAILABLE else _completed_at_place
    last, since = completed(connection, failed)
    row = connection.execute(
        """
        select exists (select from failure_classes where key = %(key)s and healed_at is null),
               count(distinct f.schedule_id)::int
          from attempts a join firings f on f.id = a.firing_id
         where a.failure_reason = %(reason)s
           and a.failure_reason in ('rate_limited', 'auth_failed', 'workspace_unavailable', 'target_error')
           and a.ended_at > greatest(now() - %(window)s, %(last)s,
                                     (select healed_at from failure_classes where key = %(key)s))
           and class_place(%(reason)s, f.workspace_id, f.place) = %(place)s
        """,
        {**vars(failed), "window": window, "last": last},
    ).fetchone()
    assert row is not None
    return Evidence(*row, completed_since=since)


def _completed_at_place(connection: Postgres, failed: Failed) -> tuple[datetime | None, bool]:
    """When a firing there last completed, and whether one of another schedule did since the one before ours."""
    row = connection.execute(
        """
        select (select finished_at from firings where status = 'completed' and place = %(place)s
                 order by finished_at desc limit 1),
               exists (select from firings where status = 'completed' and place = %(place)s
                          and finished_at > %(since)s and schedule_id is distinct from %(schedule)s)
        """,
        vars(failed),
    ).fetchone()
    assert row is not None
    return row


def _completed_in_workspace(connection: Postgres, failed: Failed) -> tuple[datetime | None, bool]:
    """The same of a whole workspace: whatever completed in it, at whatever place, shows that it was there."""
    row = connection.execute(
        """
        select (select finished_at from firings where status = 'completed' and workspace_id = %(workspace)s
                 order by finished_at desc limit 1),
               exists (select from firings where status = 'completed' and workspace_id = %(workspace)s
                          and finished_at > %(since)s and schedule_id is distinct from %(schedule)s)
        """,
        vars(failed),
    ).fetchone()
    assert row is not None
    return row


def trip(connection: Postgres, failed: Failed, schedules: int, first_probe: timedelta) -> None:
    """Trips a class: what waits at its place is held, but for its probe, the first of which goes after a while."""
    connection.execute(
        """
        insert into failure_classes (key, reason, place, tripped_at, schedules, next_probe_at)
        values (%(key)s, %(reason)s, %(place)s, now(), %(schedules)s, now() + %(first_probe)s)
        on conflict (key) do update
           set tripped_at = now(), schedules = %(schedules)s, next_probe_at = now() + %(first_probe)s,
               probes = 0, probe_id = null, probed_at = null, healed_at = null, healed_by = null
        """,
        {**vars(failed), "schedules": schedules, "first_probe": first_probe},
    )


@dataclass(frozen=True)
class FailureClass:
    """A class of failures as people see it; `waiting` counts the firings that it holds."""

    key: str
    reason: str
    place: str
    tripped_at: datetime
    schedules: int
    probes: int
    probe_id: UUID | None
    next_probe_at: datetime
    healed_at: datetime | None
    healed_by: str | None
    waiting: int


_SELECT: LiteralString = """
    select c.key, c.reason, c.place, c.tripped_at, c.schedules, c.probes, c.probe_id, c.next_probe_at,
           c.healed_at, c.healed_by,
           case when c.healed_at is null then (
             select count(*) from firings f
              where f.status = 'queued' and f.id is distinct from c.probe_id and not f.forced
                and f.source not in ('manual', 'rerun', 'adhoc')
                and class_place(c.reason, f.workspace_id, f.place) = c.place) else 0 end::int as waiting
      from failure_classes c
"""


def get(connection: Postgres, key: str) -> FailureClass | None:
    """One class, or None where nothing has ever tripped it."""
    with connection.cursor(row_factory=class_row(FailureClass)) as cursor:
        return cursor.execute(_SELECT + " where c.key = %s", [key]).fetchone()


def listing(connection: Postgres, *, tripped: bool, most: int) -> list[FailureClass]:
    """Classes: those that are tripped, then (unless only those are wanted) the ones that were, newest first."""
    with connection.cursor(row_factory=class_row(FailureClass)) as cursor:
        return cursor.execute(
            _SELECT
            + """
             where c.healed_at is null or not %(tripped)s
             order by c.healed_at is not null, c.tripped_at desc, c.key limit %(most)s
            """,
            {"tripped": tripped, "most": most},
        ).fetchall()


def lock_of(connection: Postgres, firings: Sequence[UUID]) -> None:
    """Locks the tripped classes of firings that end, before any workspace or slot: they are everybody's as well."""
    connection.execute(
        """
        select from failure_classes c
         where c.healed_at is null
           and exists (select from firings f
                        where f.id = any(%s) and c.place = class_place(c.reason, f.workspace_id, f.place))
         order by c.key for update of c
        """,
        [list(firings)],
    )


def heal_of(connection: Postgres, firing: UUID) -> list[str]:
    """Closes the tripped classes of a firing that completed; their keys."""
    rows = connection.execute(
        """
        update failure_classes c
           set healed_at = now(), healed_by = 'firing ' || f.id, probe_id = null
          from firings f
         where f.id = %s and c.healed_at is null and c.place = class_place(c.reason, f.workspace_id, f.place)
        returning c.key
        """,
        [firing],
    ).fetchall()
    return [row[0] for row in rows]


def release(connection: Postgres, key: str, by: str) -> bool:
    """Closes a class by hand; False when it is not tripped."""
    told = connection.execute(
        """
        update failure_classes set healed_at = now(), healed_by = %(by)s, probe_id = null
         where key = %(key)s and healed_at is null
        """,
        {"key": key, "by": by},
    )
    return told.rowcount == 1


def probed_by(connection: Postgres, firing: UUID) -> list[tuple[str, int]]:
    """The tripped classes whose probe a firing is, with the probes that failed before it."""
    return connection.execute(
        "select key, probes from failure_classes where probe_id = %s and healed_at is null for update", [firing]
    ).fetchall()


def probe_failed(connection: Postgres, key: str, next_in: timedelta) -> None:
    """The probe of a class failed for a reason of the outside world: the next one goes after a while."""
    connection.execute(
        """
        update failure_classes set probe_id = null, probes = probes + 1, next_probe_at = now() + %(next_in)s
         where key = %(key)s
        """,
        {"key": key, "next_in": next_in},
    )


def elect(connection: Postgres) -> list[UUID]:
    """Names a probe for each tripped class whose time has come and that has none: an ordinary firing that waits.

    The one that usually runs shortest, for it tells soonest. A firing held by two classes probes both, once the
    time of both has come. Call it in a transaction.
    """
    due = [
        row[0]
        for row in connection.execute(
            """
            select c.key from failure_classes c
             where c.healed_at is null and c.next_probe_at <= now()
               and not exists (select from firings f
                                where f.id = c.probe_id
                                  and (f.status = 'running' or exists (select from ready r where r.id = f.id)))
             order by c.key for update
            """
        ).fetchall()
    ]
    elected: list[UUID] = []
    while due:
        rows = _elect_one(connection, due)
        elected += {row[1] for row in rows}
        due = [it for it in due[1:] if it not in {row[0] for row in rows}]
    return elected


def _elect_one(connection: Postgres, due: Sequence[str]) -> list[tuple[str, UUID]]:
    """The probe of the first class, with every class that it is now the probe of; none where nothing waits."""
    return connection.execute(
        """
        with pick as (
          select f.id, f.workspace_id, f.place
            from ready f
            join failure_classes c on c.key = %(key)s and c.place = class_place(c.reason, f.workspace_id, f.place)
            left join schedules s on s.id = f.schedule_id
           where not f.forced and f.source not in ('manual', 'rerun', 'adhoc')
             and not exists (select from failure_classes o
                              where o.healed_at is null and o.key <> all(%(due)s)
                                and o.place = class_place(o.reason, f.workspace_id, f.place))
           order by s.avg_duration_ms nulls last, f.line_no limit 1)
        update failure_classes c set probe_id = pick.id, probed_at = now()
          from pick
         where c.healed_at is null and c.place = class_place(c.reason, pick.workspace_id, pick.place)
        returning c.key, pick.id
        """,
        {"key": due[0], "due": list(due)},
    ).fetchall()


def queued_under(connection: Postgres, keys: Sequence[str]) -> list[UUID]:
    """The queued firings at the places of some classes, tripped or not, in the order they were made."""
    rows = connection.execute(
        """
        select f.id from firings f
         where f.status = 'queued'
           and exists (select from failure_classes c
                        where c.key = any(%s) and c.place = class_place(c.reason, f.workspace_id, f.place))
         order by f.line_no
        """,
        [list(keys)],
    ).fetchall()
    return [row[0] for row in rows]
