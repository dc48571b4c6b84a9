"""Attempts: claimed in one round trip, renewed in batches, ended once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import TupleRow, class_row
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
    # The firing may be committed while the statement waits for admission: its function sees it, and its join does not.
    return answered(ask(connection, firing, request, by)) or claim(connection, firing, request, by)


Question = Cursor[TupleRow]


_CLAIM = """
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
        """
_ALONG = _CLAIM.replace("claim_firing", "claim_along")


def ask(connection: Postgres, firing: UUID, request: UUID, by: Claimer) -> Question:
    """A claim by itself: `answered` has the answer."""
    return connection.execute(_CLAIM, _given(firing, request, by))


def ask_along(connection: Postgres, firing: UUID, request: UUID, by: Claimer) -> Question:
    """The same, within a transaction that holds rows already; good once that is committed. It waits for nobody."""
    return connection.execute(_ALONG, _given(firing, request, by))


def _given(firing: UUID, request: UUID, by: Claimer) -> dict[str, Any]:
    return {
        "firing": firing,
        "request": request,
        "epoch": by.epoch,
        "worker": Jsonb(by.worker),
        "celery_id": by.celery_id,
        "lease": by.lease,
    }


def answered(question: Question) -> Attempt | Refused | None:
    """What a claim came to; None where it is to be asked again."""
    row = question.fetchone()
    assert row is not None
    if row[0] == "busy":
        return None
    if row[0] != "claimed":
        return Refused(row[0], row[1])
    return None if row[2] is None else Attempt(*row[2:])


def renew(connection: Postgres, tokens: Sequence[int], lease: timedelta) -> list[Renewed]:
    """Extends the live attempts among these, in one statement; one that is missing has ended, or is locked just now."""
    with connection.cursor(row_factory=class_row(Renewed)) as cursor:
        return cursor.execute(
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


def renew_locked(connection: Postgres, token: int, lease: timedelta) -> Renewed | None:
    """The same of one attempt whose row is waited for; None: it has ended. LockNotAvailable after some seconds."""
    with connection.cursor(row_factory=class_row(Renewed)) as cursor:
        return cursor.execute(
            """
            update attempts
               set heartbeat_expires_at = clock_timestamp() + %(lease)s, dead_ticks = 0, dead_tick_at = null
             where token = %(token)s and outcome is null
            returning token, abort_reason
            """,
            {"token": token, "lease": lease},
        ).fetchone()


def record_exit(
    connection: Postgres, token: int, exit_code: int | None, reason: str | None, result: str | None = None
) -> None:
    """Writes how the payload ended, alone and first; nothing of an attempt that is not live any more.

    Give its result where a success check has to see it, whoever makes that check. The commit does not wait for
    the disk: the settle follows, whose commit does, and until then the worker knows what it wrote.
    """
    connection.execute(
        """
        update attempts
           set exit_code = coalesce(%(exit_code)s, -1), exit_reason = %(reason)s, exited_at = now(),
               exit_result = %(result)s
          from (select set_config('synchronous_commit', 'off', true)) as without_waiting
         where token = %(token)s and ended_at is null
        """,
        {"token": token, "exit_code": exit_code, "reason": reason, "result": result},
    )


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
