"""What the reaper reads of live attempts before its verdict, and the count of sweeps that found one dead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class LiveAttempt:
    """What the reaper's verdict needs to know, with Postgres's own time."""

    token: int
    firing_id: UUID
    request_id: UUID
    worker: dict[str, Any]
    celery_task_id: str | None
    heartbeat_expires_at: datetime
    run_expires_at: datetime
    abort_reason: str | None
    interrupting: bool
    dead_ticks: int
    exit_code: int | None
    exit_reason: str | None
    exited_at: datetime | None
    turns: int
    attempt_count: int
    max_attempts: int
    interrupted_count: int
    schedule_id: UUID | None
    success_check: dict[str, Any] | None
    exit_result: str | None
    now: datetime


_LIVE = """
    select a.token, a.firing_id, a.request_id, a.worker, a.celery_task_id, a.heartbeat_expires_at,
           a.run_expires_at, a.abort_reason, a.interrupting,
           a.dead_ticks, a.exit_code, a.exit_reason, a.exited_at, a.turns,
           f.attempt_count, f.max_attempts, f.interrupted_count, f.schedule_id,
           f.success_check, a.exit_result, now() as now
      from attempts a join firings f on f.id = a.firing_id
     where a.ended_at is null
"""


def suspects(
    connection: Postgres, grace: timedelta, most: int, after: tuple[datetime, int] | None = None
) -> list[LiveAttempt]:
    """Live attempts that some clock has run out on, the longest dead first, from behind an expiry and token.

    One within its leases that has not ended, and whom nobody asked to end, is not even read, however often one sweeps.
    """
    expiry, token = after or (None, None)
    with connection.cursor(row_factory=class_row(LiveAttempt)) as cursor:
        return cursor.execute(
            _LIVE
            + """
               and (a.heartbeat_expires_at + %(grace)s < now() or a.run_expires_at < now()
                    or a.exited_at is not null or a.abort_requested_at is not null)
               and (%(token)s::bigint is null or (a.heartbeat_expires_at, a.token) > (%(expiry)s, %(token)s))
             order by a.heartbeat_expires_at, a.token limit %(most)s
            """,
            {"grace": grace, "most": most, "expiry": expiry, "token": token},
        ).fetchall()


def live(connection: Postgres, token: int) -> LiveAttempt | None:
    """The attempt of this token, unless it has ended."""
    with connection.cursor(row_factory=class_row(LiveAttempt)) as cursor:
        return cursor.execute(_LIVE + " and a.token = %(token)s", {"token": token}).fetchone()


def of_host(connection: Postgres, node: str, boot_id: str) -> list[LiveAttempt]:
    """Live attempts of workers of this node name, on this boot of the kernel."""
    with connection.cursor(row_factory=class_row(LiveAttempt)) as cursor:
        return cursor.execute(
            _LIVE + " and a.worker ->> 'node' = %(node)s and a.worker ->> 'boot_id' = %(boot_id)s",
            {"node": node, "boot_id": boot_id},
        ).fetchall()


def unguarded(connection: Postgres, worker: str, guarded: Sequence[int]) -> list[tuple[int, int]]:
    """Token and pool child of a worker's live attempts that no guard speaks for, and whose payload has not ended."""
    return connection.execute(
        """
        select token, (worker ->> 'child')::int from attempts
         where ended_at is null and exited_at is null and worker ->> 'id' = %s and worker ? 'child'
           and token <> all(%s)
        """,
        [worker, list(guarded)],
    ).fetchall()


def mark_dead_ticks(connection: Postgres, found: Sequence[tuple[int, datetime]]) -> dict[int, int]:
    """One more sweep that found these attempts past their lease; the counts of those it was counted for.

    Given as token and the expiry that was seen: one that was renewed since is left alone, and so is one that
    somebody is writing to. At most one per renewal interval (a quarter of the lease the attempt was claimed
    with), so that many sweeps at once, or a backlog of them, judge no faster.
    """
    rows = connection.execute(
        """
        with late as (
          select a.id from attempts a
            join unnest(%(tokens)s::bigint[], %(expiries)s::timestamptz[]) as seen (token, expires)
              on seen.token = a.token and seen.expires = a.heartbeat_expires_at
           where a.ended_at is null
             and (a.dead_tick_at is null or a.dead_tick_at <= now() - make_interval(secs => a.lease_ms / 4000.0))
           order by a.token for update of a skip locked)
        update attempts a set dead_ticks = dead_ticks + 1, dead_tick_at = now()
          from late where a.id = late.id
        returning a.token, a.dead_ticks
        """,
        {"tokens": [token for token, _ in found], "expiries": [expires for _, expires in found]},
    ).fetchall()
    return dict(rows)
