"""What a schedule remembers of a firing that ended for good: its streaks, and what its owner is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.events import event, trouble
from shared.rules import streaks
from shared.rules.cron import next_after, parse_cron
from shared.rules.reasons import Reason
from shared.settings import Settings
from shared.store import activity, settlement
from shared.store.endings import Endings
from workers import heartbeats
from workers.classes import Learnt
from workers.outcome import Outcome

LAST_STATUS = {"completed": "ok", "failed": "error", "cancelled": "cancelled"}


@dataclass(frozen=True)
class Rest:
    """What else is known of a firing that ended for good."""

    status: str
    turns: int
    streams: int | None
    learnt: Learnt


def write_back(page: Endings, ended: settlement.Ended, outcome: Outcome, rest: Rest, settings: Settings) -> None:
    """Writes counts and averages, and pauses or warns where a streak has reached its number (STR-1 to STR-7)."""
    if (schedule := ended.schedule_id) is None:
        return
    after = streaks.after_firing(
        streaks.Streaks(
            failures=ended.failure_streak or 0,
            breaches=ended.turn_budget_breach_streak or 0,
            near_lease=ended.near_lease_streak or 0,
            held=ended.held_streak or 0,
        ),
        streaks.Ended(
            reason=None if outcome.reason is None else Reason(outcome.reason),
            at=ended.now,
            ran_for=ended.ran_for,
            lease=timedelta(seconds=ended.max_run_seconds),
            # Lost to a deploy is lost to nobody's fault, however often (STR-5).
            held=rest.learnt.held or (ended.interrupting and outcome.reason == Reason.WORKER_LOST),
            alone=rest.learnt.alone,
            smaller=streaks.is_smaller(ended.max_turns, ended.schedule_max_turns or settings.max_turns),
        ),
        _grace_until(ended) if outcome.reason == Reason.TURN_LIMIT_EXCEEDED else None,
        streaks.Thresholds(
            failures_to_pause=settings.failure_streak_limit, breaches_to_pause=settings.breach_streak_limit
        ),
    )
    duration_ms = round(ended.ran_for.total_seconds() * 1000)
    page.remember(
        schedule,
        {
            "last_status": LAST_STATUS[rest.status],
            "error": outcome.error,
            "reason": outcome.reason,
            "turns": rest.turns,
            "failure_streak": after.streaks.failures,
            "breach_streak": after.streaks.breaches,
            "near_lease_streak": after.streaks.near_lease,
            "held_streak": after.streaks.held,
            "suppressed": int(heartbeats.is_suppressed(ended, outcome)),
            "avg_turns": streaks.next_average(ended.avg_turns_per_firing, rest.turns),
            "avg_duration_ms": streaks.next_average(ended.avg_duration_ms, duration_ms),
        },
    )
    _tell(page, schedule, ended, after)


def _grace_until(ended: settlement.Ended) -> datetime | None:
    """None too for a schedule whose next occurrence cannot be computed: its firings must end all the same."""
    if ended.max_turns_set_at is None or ended.cron is None or ended.timezone is None:
        return None
    try:
        first = next_after(parse_cron(ended.cron), ZoneInfo(ended.timezone), ended.max_turns_set_at)
    except (ValueError, KeyError, OSError) as error:
        trouble("settle.no_grace", error, schedule=ended.schedule_id)
        return None
    return streaks.edit_grace_until(ended.max_turns_set_at, first)


def _tell(page: Endings, schedule: UUID, ended: settlement.Ended, after: streaks.Outcome) -> None:
    for warning in after.warnings:
        _tell_one(page, ended, "warned", warning.value, streaks.WORDS[warning])
    if after.pause is None or ended.schedule_status != "active":
        return
    counts = after.streaks
    count = counts.failures if after.pause is streaks.PauseReason.FAILURE_STREAK else counts.breaches
    note = f"{count} in a row: {after.pause.value}"
    page.pause(schedule, after.pause.value, note)
    _tell_one(page, ended, "auto_paused", after.pause.value, note)
    event("schedule.auto_paused", schedule=schedule, reason=after.pause.value, streak=count)


def _tell_one(page: Endings, ended: settlement.Ended, kind: str, code: str, words: str) -> None:
    """One row for the log and one for the people who are told."""
    page.log(activity.Deed(kind, "slotbeat", {"reason": code, "words": words}, **ended.about))
    page.tell(ended, kind if kind == "auto_paused" else code, f"{ended.title}: {code}", words)
