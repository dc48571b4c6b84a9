"""Attempts: claimed in one round trip, renewed in batches, ended once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Attempt:
    """A claim that succeeded: all that is needed to run the firing."""

    firing_id: UUID
    request_id: UUID
    token: int
    number: int
    workspace_id: UUID
    workspace: str
    schedule_id: UUID | None
    schedule: str | None
    title: str
    prompt: str
    target: dict[str, Any]
    nominal_at: datetime
    max_turns: int | None
    max_run_seconds: int
    run_left_s: float
    health_url: str | None
    success_check: dict[str, Any] | None
    workspace_status: str
    may_turns: int | None
    may_tokens: int | None
    may_micros: int | None

    @property
    def ids(self) -> dict[str, Any]:
        """What it is known by in logs."""
        return {"firing": self.firing_id, "schedule": self.schedule_id, "token": self.token, "attempt": self.number}


@dataclass(frozen=True)
class Refused:
    """A claim that Postgres refused: `gone`, `held`, `spent`, `full`, `draining` or `stale`, and the limit if one."""

    answer: str
    limit: str | None


@dataclass(frozen=True)
class Renewed:
    """A lease that Postgres still knows, and whether somebody wants it ended."""

    token: int
    abort_reason: str | None


@dataclass(frozen=True)
class Claimer:
    """Who claims, under which epoch of the gate, and for how long without renewal."""

    worker: dict[str, Any]
    celery_id: str | None
    epoch: int
    lease: timedelta


def claim(connection: Postgres, firing: UUID, request: UUID, by: Claimer) -> Attempt | Refused:
    """One statement: a free slot under every limit, a new token, the attempt, the firing running.

    Asked again with the same request it gives the same answer, so that an answer that was lost is found.
    """
    row = connection.execute(
        """
        select c.answer, c.full_limit,
               f.id, %(request)s::uuid, c.token, c.number, f.workspace_id, w.name,
               f.schedule_id, s.name, f.title, f.prompt, f.target, f.nominal_at,
               f.max_turns, f.max_run_seconds,
               extract(epoch from c.run_expires_at - now())::float8, w.health_url, f.success_check,
               w.status, c.may_turns, c.may_tokens, c.may_micros
          from claim_firing(%(firing)s, %(request)s, %(epoch)s, %(worker)s, %(celery_id)s, %(lease)s) c
          left join firings f on f.id = %(firing)s
          left join workspaces w on w.id = f.workspace_id
          left join schedules s on s.id = f.schedule_id
        """,
        {
            "firing": firing,
            "request": request,
            "epoch": by.epoch,
            "worker": Jsonb(by.worker),
            "celery_id": by.celery_id,
            "lease": by.lease,
        },
    ).fetchone()
    assert row is not None
    if row[0] != "claimed":
        return Refused(row[0], row[1])
    if row[2] is None:
        # The firing was committed while this statement waited for admission: the function saw it, the join did not.
        return claim(connection, firing, request, by)
    return Attempt(*row[2:])


def renew(connection: Postgres, tokens: Sequence[int], lease: timedelta) -> list[Renewed]:
    """Extends the live attempts among these, in one statement; one that is missing has ended.

    Rows that somebody has locked at this moment are waited for singly afterwards.
    """
    with connection.cursor(row_factory=class_row(Renewed)) as cursor:
        found = cursor.execute(
            """
            with live as (
              select id from attempts
               where token = any(%(tokens)s) and outcome is null
               order by token for update skip locked)
            update attempts a
               set heartbeat_expires_at = clock_timestamp() + %(lease)s, dead_ticks = 0, dead_tick_at = null
              from live where a.id = live.id
            returning a.token, a.abort_reason
            """,
            {"tokens": list(tokens), "lease": lease},
        ).fetchall()
        for token in set(tokens) - {it.token for it in found}:
            found += cursor.execute(
                """
                update attempts
                   set heartbeat_expires_at = clock_timestamp() + %(lease)s, dead_ticks = 0, dead_tick_at = null
                 where token = %(token)s and outcome is null
                returning token, abort_reason
                """,
                {"token": token, "lease": lease},
            ).fetchall()
    return found


def record_exit(
    connection: Postgres, token: int, exit_code: int | None, reason: str | None, result: str | None = None
) -> bool:
    """Writes how the payload ended, alone and first; False when the attempt is not live any more.

    Its result is kept where a success check has to see it, whoever makes that check. The commit does not wait for
    the disk: the settle follows, whose commit does, and until then the worker knows what it wrote.
    """
    told = connection.execute(
        """
        update attempts
           set exit_code = coalesce(%(exit_code)s, -1), exit_reason = %(reason)s, exited_at = now(),
               exit_result = case when exists (
                 select from firings f where f.id = firing_id and f.success_check is not null) then %(result)s end
          from (select set_config('synchronous_commit', 'off', true)) as without_waiting
         where token = %(token)s and ended_at is null
        """,
        {"token": token, "exit_code": exit_code, "reason": reason, "result": result},
    )
    return told.rowcount == 1


def mark_interrupting(connection: Postgres, tokens: Sequence[int]) -> None:
    """A deploy is about to interrupt these: if their worker is lost meanwhile, nobody is charged."""
    connection.execute(
        "update attempts set interrupting = true where token = any(%s) and ended_at is null", [list(tokens)]
    )


def request_abort(connection: Postgres, firing: UUID, reason: str) -> tuple[UUID, int] | None:
    """Marks the live attempt to be aborted; its request and token, or None when nothing runs.

    The first reason stays: whoever asked first ended it.
    """
    row = connection.execute(
        """
        update attempts
           set abort_requested_at = coalesce(abort_requested_at, now()),
               abort_reason = coalesce(abort_reason, %(reason)s)
         where firing_id = %(firing)s and ended_at is null
        returning request_id, token
        """,
        {"firing": firing, "reason": reason},
    ).fetchone()
    return None if row is None else (row[0], row[1])


def keep_late_result(connection: Postgres, token: int, result: dict[str, Any]) -> None:
    """Keeps what a fenced attempt reported, for people to read; it changes nothing else."""
    connection.execute(
        "update attempts set late_result = %(result)s where token = %(token)s and ended_at is not null",
        {"token": token, "result": Jsonb(result)},
    )


@dataclass(frozen=True)
class LiveAttempt:
    """What the reaper's verdict needs to know, with Postgres's own time."""

    token: int
    firing_id: UUID
    request_id: UUID
    worker: dict[str, Any]
    celery_task_id: str | None
    claimed_at: datetime
    heartbeat_expires_at: datetime
    run_expires_at: datetime
    abort_requested_at: datetime | None
    abort_reason: str | None
    interrupting: bool
    dead_ticks: int
    dead_tick_at: datetime | None
    exit_code: int | None
    exit_reason: str | None
    exited_at: datetime | None
    turns: int
    lease_ms: int
    attempt_count: int
    max_attempts: int
    interrupted_count: int
    schedule_id: UUID | None
    success_check: dict[str, Any] | None
    exit_result: str | None
    now: datetime


_LIVE = """
    select a.token, a.firing_id, a.request_id, a.worker, a.celery_task_id, a.claimed_at, a.heartbeat_expires_at,
           a.run_expires_at, a.abort_requested_at, a.abort_reason, a.interrupting,
           a.dead_ticks, a.dead_tick_at, a.exit_code, a.exit_reason, a.exited_at, a.turns, a.lease_ms,
           f.attempt_count, f.max_attempts, f.interrupted_count, f.schedule_id,
           f.success_check, a.exit_result, now() as now
      from attempts a join firings f on f.id = a.firing_id
     where a.ended_at is null
"""


def suspects(
    connection: Postgres, grace: timedelta, most: int, after: tuple[datetime, int] | None = None
) -> list[LiveAttempt]:
    """Live attempts that some clock has run out on, the longest dead first, from behind an expiry and token.

    An attempt within its leases is not even read: whatever the number of sweeps, it is not touched.
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
