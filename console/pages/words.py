"""Says times, durations, reasons and limits in words."""

from datetime import datetime, timedelta

from shared.rules.lasting import DAY, HOUR, MINUTE, lasting

_REASONS = {
    "turn_limit_exceeded": "turn budget exceeded",
    "lease_expired": "run lease expired",
    "timeout": "timed out",
    "aborted": "aborted",
    "cancelled": "by a person",
    "replaced": "replaced by a newer firing",
    "rate_limited": "rate limited",
    "auth_failed": "not authorised by the target",
    "budget_exceeded": "budget used up",
    "workspace_unavailable": "workspace unavailable",
    "worker_lost": "worker lost",
    "oom": "out of memory",
    "exit_nonzero": "exit code not 0",
    "target_error": "the target failed",
    "bad_target": "the target is not valid",
    "check_failed": "success check failed",
}
_PAUSES = {
    "manual": "by hand",
    "failure_streak": "too many failures in a row",
    "turn_budget_breach_streak": "turn budget exceeded again and again",
    "quarantined": "its next occurrence cannot be computed",
}
_SOURCES = {
    "manual": "run now",
    "rerun": "rerun",
    "backfill": "backfill",
    "adhoc": "ad hoc",
    "heartbeat": "heartbeat",
}
_VERDICTS = {
    "completed_total": "settled as completed",
    "failed_total": "failed",
    "fail_total": "failed",
    "requeued_total": "requeued",
    "requeue_total": "requeued",
    "complete_total": "settled as completed",
    "aborted_total": "aborted",
    "cancelled_total": "cancelled",
}


def roughly(seconds: float) -> str:
    """A duration by its largest unit, as one says it: 'now' below a second, '40 s', '4 min', '2 h', '3 d'."""
    whole = round(seconds)
    if whole < 1:
        return "now"
    for unit, name, least in ((DAY, "d", 2 * DAY), (HOUR, "h", 2 * HOUR), (MINUTE, "min", MINUTE)):
        if whole >= least:
            return f"{round(whole / unit)} {name}"
    return lasting(whole)


def when(moment: datetime, now: datetime) -> str:
    """How long ago, or in how long: '3 min ago', 'now', 'in 40 s'."""
    seconds = (moment - now).total_seconds()
    told = roughly(abs(seconds))
    if told == "now":
        return told
    return f"in {told}" if seconds > 0 else f"{told} ago"


def absolute(moment: datetime) -> str:
    """The moment with its zone, for a title: '2026-01-31 09:30:05 UTC'."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def milliseconds(value: int | None) -> str:
    """A duration that may not be known."""
    return "–" if value is None else lasting(value / 1000)


def reason(code: str | None) -> str:
    """A failure's reason."""
    return _REASONS.get(code or "", (code or "reason unknown").replace("_", " "))


def pause_reason(code: str | None) -> str:
    """Why a schedule is paused."""
    return _PAUSES.get(code or "", (code or "reason unknown").replace("_", " "))


def source(code: str) -> str:
    """Who asked for a firing, where it was not its schedule."""
    return _SOURCES.get(code, "")


def verdict(counter: str) -> str:
    """A counter of a maintenance task."""
    return _VERDICTS.get(counter, counter.removesuffix("_total").replace("_", " "))


def limit(key: str, workspace: str | None) -> str:
    """A limit by its name."""
    kind, _, name = key.partition(":")
    if kind == "fleet":
        return "fleet"
    return f"workspace {workspace or name}" if kind == "workspace" else f"lane {name}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(length: timedelta) -> str:
    """A stretch of time as a label."""
    return roughly(length.total_seconds())
