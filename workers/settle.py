"""The outcome, written once: state, streaks, metrics, activity, alerts, in one transaction."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shared.events import event
from shared.rules import streaks
from shared.rules.cron import next_after, parse_cron
from shared.rules.endings import MOST_INTERRUPTIONS, Becomes, after_attempt
from shared.rules.reasons import Reason
from shared.settings import Settings
from shared.store import activity, alerts, attempts, settlement
from shared.store.connection import Database, Postgres
from workers.outcome import INTERRUPTED, NOT_STARTED, Outcome

Answer = Literal["ok", "already", "fenced"]


@dataclass(frozen=True)
class Settled:
    """The answer, and the firing's status when this call wrote it."""

    answer: Answer
    status: str | None = None


def settle(database: Database, token: int, outcome: Outcome, settings: Settings) -> Settled:
    """Ends an attempt by its token; may be repeated, when the answer to a COMMIT was lost.

    `already`: this attempt had ended so before. `fenced`: it was ended by somebody else, and what it
    reports is kept on the attempt for people to read, and changes nothing.
    """
    return settle_together(database, [(token, outcome)], settings)[0]


def settle_together(database: Database, endings: Sequence[tuple[int, Outcome]], settings: Settings) -> list[Settled]:
    """The same of several attempts in one transaction, in the order given: all of them, or an error and none.

    At most one of each schedule, for each reads its schedule's streaks as they stood before. What is written is
    sent without waiting for each answer: an ending is two round trips, however many rows it touches.
    """
    connection = database.connection()
    with connection.pipeline(), connection.transaction():
        known = settlement.lock_endings(connection, [token for token, _ in endings])
        told = [_settle(connection, known.get(token), outcome, settings) for token, outcome in endings]
    for (token, outcome), settled in zip(endings, told, strict=True):
        if settled.answer == "ok":
            _say(known[token], outcome, settled)
    return told


def _settle(connection: Postgres, ended: settlement.Ended | None, outcome: Outcome, settings: Settings) -> Settled:
    if ended is None:
        return Settled("fenced")
    if not ended.live:
        return _too_late(connection, ended, outcome)
    outcome = _last_resort(ended, outcome)
    becomes = _becomes(ended, outcome)
    settlement.end_attempt(connection, ended, becomes, _report(outcome))
    if outcome.by == "reaper":
        _log_reaped(connection, ended, outcome, becomes.status)
    if becomes.status != "queued":
        _write_the_rest(connection, ended, outcome, becomes.status, settings)
    return Settled("ok", becomes.status)


def _say(ended: settlement.Ended, outcome: Outcome, settled: Settled) -> None:
    event(
        "firing.settled",
        firing=ended.firing_id,
        schedule=ended.schedule_id,
        token=ended.token,
        status=settled.status,
        reason=_last_resort(ended, outcome).reason,
        by=outcome.by,
    )


def _too_late(connection: Postgres, ended: settlement.Ended, outcome: Outcome) -> Settled:
    would = _becomes(ended, _last_resort(ended, outcome))
    if ended.outcome == would.outcome:
        return Settled("already")
    attempts.keep_late_result(connection, ended.token, {k: v for k, v in asdict(outcome).items() if v is not None})
    event("firing.fenced", firing=ended.firing_id, token=ended.token, outcome=ended.outcome, late=would.outcome)
    return Settled("fenced")


def _last_resort(ended: settlement.Ended, outcome: Outcome) -> Outcome:
    """What somebody asked to end is never requeued; and deploys interrupt for nothing only so often."""
    if ended.abort_reason is not None and _becomes(ended, outcome).status == "queued":
        return replace(outcome, reason=ended.abort_reason)
    if outcome.reason == INTERRUPTED and ended.interrupted_count >= MOST_INTERRUPTIONS:
        return replace(outcome, reason=Reason.WORKER_LOST)
    return outcome


def _becomes(ended: settlement.Ended, outcome: Outcome) -> Becomes:
    if outcome.reason == INTERRUPTED:
        return Becomes("queued", "interrupted", charged=False)
    if outcome.reason == NOT_STARTED:
        return Becomes("queued", "not_started", charged=False)
    return after_attempt(
        outcome.reason,
        attempts=ended.attempt_count,
        most_attempts=ended.max_attempts,
        retry_backoff_s=ended.retry_backoff_s,
        jitter=random.random(),
    )


def _report(outcome: Outcome) -> Outcome:
    """The outcome as rows have it: an interruption, or a payload never begun, is no failure."""
    return replace(outcome, reason=None) if outcome.reason in (INTERRUPTED, NOT_STARTED) else outcome


def _write_the_rest(
    connection: Postgres, ended: settlement.Ended, outcome: Outcome, status: str, settings: Settings
) -> None:
    turns = max(ended.turns, outcome.turns or 0)
    settlement.add_metrics(
        connection,
        ended,
        {"turn_count": turns, "peak_rss_mb": outcome.peak_rss_mb, "failure_reason": outcome.reason},
    )
    _log(connection, ended, outcome, status, turns)
    if ended.schedule_id is not None:
        _write_back(connection, ended, outcome, turns, settings)
    if status == "failed" and ended.max_attempts > 1:
        alerts.add(
            connection,
            "failed_after_last_attempt",
            f"{ended.title} failed after {ended.attempt_count} attempts",
            f"{outcome.reason}: {outcome.error or ''}",
            workspace=ended.workspace_id,
            schedule=ended.schedule_id,
            firing=ended.firing_id,
        )


def _log(connection: Postgres, ended: settlement.Ended, outcome: Outcome, status: str, turns: int) -> None:
    body: dict[str, Any] = {
        "schedule_id": None if ended.schedule_id is None else str(ended.schedule_id),
        "firing_id": str(ended.firing_id),
        "nominal_at": ended.nominal_at.isoformat(),
        "source": ended.source,
        "attempt": ended.attempt_count,
        "turns": turns,
        "reason": outcome.reason,
    }
    activity.add(
        connection,
        activity.Deed(
            type="cron_run",
            actor=outcome.by,
            body=body,
            status=_LAST_STATUS[status],
            error=outcome.error,
            workspace=ended.workspace_id,
            schedule=ended.schedule_id,
            firing=ended.firing_id,
            duration_ms=round((ended.now - ended.claimed_at).total_seconds() * 1000),
        ),
    )


def _log_reaped(connection: Postgres, ended: settlement.Ended, outcome: Outcome, status: str) -> None:
    body = {"reason": outcome.reason, "token": ended.token, "worker": ended.worker_id, "now": status}
    deed = activity.Deed(
        "reaped",
        outcome.by,
        body,
        workspace=ended.workspace_id,
        schedule=ended.schedule_id,
        firing=ended.firing_id,
    )
    activity.add(connection, deed)


_LAST_STATUS = {"completed": "ok", "failed": "error", "cancelled": "cancelled"}


def _write_back(
    connection: Postgres, ended: settlement.Ended, outcome: Outcome, turns: int, settings: Settings
) -> None:
    ran_for = ended.now - ended.claimed_at
    after = streaks.after_firing(
        streaks.Streaks(ended.failure_streak or 0, ended.turn_budget_breach_streak or 0, ended.near_lease_streak or 0),
        streaks.Ended(
            reason=None if outcome.reason is None else Reason(outcome.reason),
            at=ended.now,
            ran_for=ran_for,
            lease=timedelta(seconds=ended.max_run_seconds),
        ),
        _grace_until(ended),
        streaks.Thresholds(
            failures_to_pause=settings.failure_streak_limit, breaches_to_pause=settings.breach_streak_limit
        ),
    )
    duration_ms = round(ran_for.total_seconds() * 1000)
    settlement.write_back(
        connection,
        ended.schedule_id,  # pyright: ignore[reportArgumentType] the caller has looked
        {
            "last_status": _LAST_STATUS[after_status(outcome.reason)],
            "error": outcome.error,
            "reason": outcome.reason,
            "turns": turns,
            "failure_streak": after.streaks.failures,
            "breach_streak": after.streaks.breaches,
            "near_lease_streak": after.streaks.near_lease,
            "avg_turns": streaks.next_average(ended.avg_turns_per_firing, turns),
            "avg_duration_ms": streaks.next_average(ended.avg_duration_ms, duration_ms),
        },
    )
    _tell(connection, ended, after)


def after_status(reason: str | None) -> str:
    """The status of a firing that ended for good with this reason."""
    return after_attempt(reason, attempts=1, most_attempts=1, retry_backoff_s=0, jitter=0).status


def _grace_until(ended: settlement.Ended) -> Any:
    if ended.max_turns_set_at is None or ended.cron is None or ended.timezone is None:
        return None
    first = next_after(parse_cron(ended.cron), ZoneInfo(ended.timezone), ended.max_turns_set_at)
    return streaks.edit_grace_until(ended.max_turns_set_at, first)


def _tell(connection: Postgres, ended: settlement.Ended, after: streaks.Outcome) -> None:
    for warning in after.warnings:
        _tell_one(connection, ended, "warned", warning.value, streaks.WORDS[warning])
    if after.pause is None or ended.schedule_id is None:
        return
    counts = after.streaks
    count = counts.failures if after.pause is streaks.PauseReason.FAILURE_STREAK else counts.breaches
    note = f"{count} in a row: {after.pause.value}"
    if ended.schedule_status == "active":
        settlement.auto_pause(connection, ended.schedule_id, after.pause.value, note)
        _tell_one(connection, ended, "auto_paused", after.pause.value, note)
        event("schedule.auto_paused", schedule=ended.schedule_id, reason=after.pause.value, streak=count)


def _tell_one(connection: Postgres, ended: settlement.Ended, kind: str, code: str, words: str) -> None:
    """One row for the log and one for the people who are told."""
    deed = activity.Deed(
        kind,
        "slotbeat",
        {"reason": code, "words": words},
        workspace=ended.workspace_id,
        schedule=ended.schedule_id,
        firing=ended.firing_id,
    )
    activity.add(connection, deed)
    about = {"workspace": ended.workspace_id, "schedule": ended.schedule_id, "firing": ended.firing_id}
    alerts.add(connection, kind if kind == "auto_paused" else code, f"{ended.title}: {code}", words, **about)
