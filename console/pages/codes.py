"""Says codes in words: reasons, sources, verdicts, deeds, states."""

import re
from collections.abc import Mapping

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
    "turn_budget_breaches": "turn budget exceeded again and again",
    "quarantined": "its next occurrence cannot be computed",
}
# Codes of one word are words already.
_CODE = re.compile(r"\b(" + "|".join(it for it in (*_REASONS, *_PAUSES) if "_" in it) + r")\b")
_SKIPS = {
    "overlap": "an earlier firing was still at work",
    "native": "the workspace schedules itself",
    "paused": "paused",
    "manual": "a person asked for it",
    "missed": "missed while nobody was up",
    "deadline": "past its start deadline",
    "budget": "budget used up",
    "quarantined": "its next occurrence could not be computed",
    "workspace": "its workspace was not there",
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
_DEEDS = {
    "cron_run": "a firing ended",
    "manual_run": "run now",
    "manual_force_bypass": "forced past the cap",
    "reaped": "reaped",
    "auto_paused": "paused by its streak",
    "class_tripped": "outage began",
    "class_closed": "outage over",
    "next_skipped": "next occurrence skipped",
    "next_kept": "next occurrence kept",
    "limit_set": "cap set",
    "limit_removed": "limit removed",
}


# What went well, and is no good news.
_MARKS = {
    "auto_paused": "paused",
    "schedule_paused": "paused",
    "fleet_paused": "paused",
    "warned": "warning",
    "class_tripped": "warning",
    "reaped": "warning",
    "next_skipped": "skipped",
}


def reason(code: str | None) -> str:
    """A failure's reason."""
    return _REASONS.get(code or "", plain(code or "reason unknown"))


def pause_reason(code: str | None) -> str:
    """Why a schedule is paused."""
    return _PAUSES.get(code or "", plain(code or "reason unknown"))


def skip_reason(code: str) -> str:
    """Why an occurrence made no firing."""
    return _SKIPS.get(code, plain(code))


def source(code: str) -> str:
    """Who asked for a firing, where it was not its schedule."""
    return _SOURCES.get(code, "")


def verdict(counter: str) -> str:
    """A counter of a maintenance task."""
    return _VERDICTS.get(counter, plain(counter.removesuffix("_total")))


def deed(code: str) -> str:
    """A row of the activity log."""
    return _DEEDS.get(code, plain(code))


def deed_mark(code: str, status: str) -> str:
    """Its mark, by its status and by what it is."""
    return {"error": "failed", "cancelled": "cancelled"}.get(status) or _MARKS.get(code, "completed")


def plain(code: str) -> str:
    """A code as one reads it, where there is no better word."""
    return code.replace("_", " ")


def limit(key: str, workspace: str | None) -> str:
    """A limit by its name."""
    kind, _, name = key.partition(":")
    if kind == "fleet":
        return "fleet"
    return f"workspace {workspace or name}" if kind == "workspace" else f"lane {name}"


def sentence(text: str) -> str:
    """A sentence of an answer or a note, with the codes in it in words."""
    return _CODE.sub(lambda found: _REASONS.get(found[0]) or _PAUSES[found[0]], text)


def place(key: str, workspaces: Mapping[str, str]) -> str:
    """Where an outage is, by the name of its lane, workspace or host."""
    kind, _, of = key.partition(":")
    return f"host {of}" if kind == "host" else limit(key, workspaces.get(of))
