"""The outcome, written once: state, streaks, metrics, activity, alerts, in one transaction."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from shared.events import event
from shared.rules.endings import INTERRUPTED, NOT_STARTED, Becomes, Chances, after_attempt, reason_that_counts
from shared.settings import Settings
from shared.store import activity, attempts, settlement
from shared.store.connection import Database, Postgres
from shared.store.endings import Endings
from shared.store.together import sent_together
from workers import heartbeats
from workers.classes import is_judged, learn, lock_classes
from workers.outcome import Outcome
from workers.write_back import LAST_STATUS, Rest, write_back

Answer = Literal["ok", "already", "fenced"]


@dataclass(frozen=True)
class Settled:
    """The answer; when this call wrote it, the firing's status, the reason, and the classes of failures it changed.

    `has_next`: another firing of its schedule is queued, or this call cannot say.
    """

    answer: Answer
    status: str | None = None
    reason: str | None = None
    classes: tuple[str, ...] = ()
    has_next: bool = True


Part = Callable[[Postgres], object]


@dataclass(frozen=True)
class Company:
    """What is done with a settle: `ahead` of it, in a transaction of its own; `along`, before its commit.

    Along goes only what follows a completed firing, behind the settle's own writes. `sure` is called before these:
    all is locked and read, and nothing can make it anything but completed. Postgres waits meanwhile, and not for ever.
    """

    ahead: Part | None = None
    sure: Callable[[], object] = lambda: None
    along: Part = lambda _: None


ALONE = Company()


def settle(
    database: Database,
    token: int,
    outcome: Outcome,
    settings: Settings,
    streams: int | None = None,
    company: Company = ALONE,
) -> Settled:
    """Ends an attempt by its token; may be repeated, when the answer to a COMMIT was lost.

    `already`: this attempt had ended so before. `fenced`: it was ended by somebody else, and what it
    reports is kept on the attempt for people to read, and changes nothing.
    `streams` are the interactive ones that are active meanwhile, where that is known.
    """
    return settle_together(database, [(token, outcome)], settings, streams, company)[0]


def settle_together(
    database: Database,
    endings: Sequence[tuple[int, Outcome]],
    settings: Settings,
    streams: int | None = None,
    company: Company = ALONE,
) -> list[Settled]:
    """The same of several attempts in one transaction, in the order given: all of them, or an error and none.

    At most one of each schedule, for each reads its schedule's streaks as they stood before. What is written is
    sent without waiting for each answer: an ending is two round trips, however many rows it touches.
    """
    connection = database.connection()
    with sent_together(connection, company.ahead):
        known = settlement.lock_endings(connection, [token for token, _ in endings])
        lock_classes(connection, known.values())
        page = Endings()
        told = [_settle(connection, page, known.get(token), outcome, settings, streams) for token, outcome in endings]
        completes = told[-1].status == "completed"
        if completes:
            company.sure()
        page.write(connection)
        if completes:
            company.along(connection)
    for (token, outcome), settled in zip(endings, told, strict=True):
        if settled.answer == "ok":
            _say(known[token], outcome.by, settled)
    return told


def _settle(
    connection: Postgres,
    page: Endings,
    ended: settlement.Ended | None,
    outcome: Outcome,
    settings: Settings,
    streams: int | None,
) -> Settled:
    if ended is None:
        return Settled("fenced")
    if not ended.live:
        return _too_late(connection, ended, outcome)
    outcome, becomes = _standing(ended, outcome)
    page.end(ended, becomes, _report(outcome))
    # Its workspace's row and its slots are wanted by others: they come last, and are held for the commit alone. But a
    # failure of the outside world is judged among others of its class, and has to be one of them by then.
    if is_judged(outcome.reason):
        page.write(connection)
    learnt = learn(connection, ended, outcome.reason, settings)
    heartbeats.count_turns(connection, ended, outcome)
    if outcome.by == "reaper":
        page.log(_reaped(ended, outcome, becomes.status))
    if becomes.status != "queued":
        rest = Rest(becomes.status, max(ended.turns, outcome.turns or 0), streams, learnt)
        _write_the_rest(page, ended, outcome, rest, settings)
    return Settled("ok", becomes.status, outcome.reason, learnt.changed, ended.has_next)


def _say(ended: settlement.Ended, by: str, settled: Settled) -> None:
    event(
        "firing.settled",
        firing=ended.firing_id,
        schedule=ended.schedule_id,
        token=ended.token,
        status=settled.status,
        reason=settled.reason,
        by=by,
    )


def _too_late(connection: Postgres, ended: settlement.Ended, outcome: Outcome) -> Settled:
    _, would = _standing(ended, outcome)
    if ended.outcome == would.outcome:
        return Settled("already")
    attempts.keep_late_result(connection, ended.token, {k: v for k, v in asdict(outcome).items() if v is not None})
    event("firing.fenced", firing=ended.firing_id, token=ended.token, outcome=ended.outcome, late=would.outcome)
    return Settled("fenced")


def _standing(ended: settlement.Ended, outcome: Outcome) -> tuple[Outcome, Becomes]:
    """The outcome with the reason that counts, and what the firing becomes by it."""
    chances = Chances(
        ended.attempt_count, ended.max_attempts, ended.retry_backoff_s, ended.interrupted_count, ended.abort_reason
    )
    counted = replace(outcome, reason=reason_that_counts(outcome.reason, chances))
    return counted, after_attempt(counted.reason, chances, random.random(), outcome.retry_after_s)


def _report(outcome: Outcome) -> Outcome:
    """The outcome as rows have it: an interruption, or a payload never begun, is no failure."""
    return replace(outcome, reason=None) if outcome.reason in (INTERRUPTED, NOT_STARTED) else outcome


def _write_the_rest(page: Endings, ended: settlement.Ended, outcome: Outcome, rest: Rest, settings: Settings) -> None:
    measured = {"turns": rest.turns, "streams": rest.streams, "peak_rss_mb": outcome.peak_rss_mb}
    page.measure(ended, {**measured, "reason": outcome.reason})
    page.log(_run(ended, outcome, rest.status, rest.turns))
    write_back(page, ended, outcome, rest, settings)
    # Of an outage that schedules share, one alert is sent for all of them: that its class tripped. Of one that nobody
    # is known to share, the first failure is told: to its owner it is a failure like any other.
    streaks = (ended.failure_streak, ended.held_streak)
    if rest.status == "failed" and (not rest.learnt.held or (rest.learnt.only and not any(streaks))):
        tries = f"{ended.attempt_count} attempts" if ended.attempt_count > 1 else "its only attempt"
        title, words = f"{ended.title} failed after {tries}", f"{outcome.reason}: {outcome.error or ''}"
        page.tell(ended, "failed_after_last_attempt", title, words)


def _run(ended: settlement.Ended, outcome: Outcome, status: str, turns: int) -> activity.Deed:
    body: dict[str, Any] = {
        "schedule_id": None if ended.schedule_id is None else str(ended.schedule_id),
        "firing_id": str(ended.firing_id),
        "nominal_at": ended.nominal_at.isoformat(),
        "source": ended.source,
        "attempt": ended.attempt_count,
        "turns": turns,
        "reason": outcome.reason,
    }
    return activity.Deed(
        type="cron_run",
        actor=outcome.by,
        body=body,
        status=LAST_STATUS[status],
        error=outcome.error,
        **ended.about,
        duration_ms=round(ended.ran_for.total_seconds() * 1000),
    )


def _reaped(ended: settlement.Ended, outcome: Outcome, status: str) -> activity.Deed:
    body = {"reason": outcome.reason, "token": ended.token, "worker": ended.worker_id, "now": status}
    return activity.Deed("reaped", outcome.by, body, **ended.about)
