"""One firing with all that people ask about it: what it was given, and each of its attempts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Given:
    """What a firing was made with, so that it can be made again."""

    schedule_id: UUID | None
    workspace_id: UUID
    workspace_status: str
    title: str
    prompt: str
    target: dict[str, Any]
    priority: int
    lane: str | None
    max_turns: int | None
    max_run_seconds: int
    max_attempts: int
    retry_backoff_s: int
    schedule_revision: int | None
    success_check: dict[str, Any] | None
    status: str


@dataclass(frozen=True)
class Tried:
    """One attempt of a firing as people see it; its token and requests are nobody's business."""

    number: int
    worker: str
    claimed_at: datetime
    heartbeat_expires_at: datetime
    run_expires_at: datetime
    abort_requested_at: datetime | None
    abort_reason: str | None
    ended_at: datetime | None
    outcome: str | None
    failure_reason: str | None
    exit_code: int | None
    turns: int
    peak_rss_mb: float | None
    late_result: dict[str, Any] | None


def given(connection: Postgres, firing: UUID) -> Given | None:
    """What a firing was made with, or None."""
    with connection.cursor(row_factory=class_row(Given)) as cursor:
        return cursor.execute(
            """
            select f.schedule_id, f.workspace_id, w.status as workspace_status, f.title, f.prompt, f.target,
                   f.priority, f.lane, f.max_turns, f.max_run_seconds, f.max_attempts, f.retry_backoff_s,
                   f.schedule_revision, f.success_check, f.status
              from firings f join workspaces w on w.id = f.workspace_id where f.id = %s
            """,
            [firing],
        ).fetchone()


def attempts(connection: Postgres, firing: UUID) -> list[Tried]:
    """The attempts of a firing, in order."""
    with connection.cursor(row_factory=class_row(Tried)) as cursor:
        return cursor.execute(
            """
            select number, coalesce(worker ->> 'node', worker ->> 'id', 'unknown') as worker, claimed_at,
                   heartbeat_expires_at, run_expires_at, abort_requested_at, abort_reason, ended_at, outcome,
                   failure_reason, exit_code, turns, peak_rss_mb, late_result
              from attempts where firing_id = %s order by number
            """,
            [firing],
        ).fetchall()
