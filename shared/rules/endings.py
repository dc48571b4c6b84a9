"""What becomes of a firing when an attempt of it ends for a reason."""

from dataclasses import dataclass
from typing import Literal

from shared.rules.reasons import Reason, can_heal

# Two ends that are no failure and no reason of the closed list: a deploy's, and a payload never begun.
INTERRUPTED = "interrupted"
NOT_STARTED = "not_started"

MOST_INTERRUPTIONS = 2
MOST_BACKOFF_S = 3600.0
# What a target may ask for: windows of use are of five hours.
LONGEST_PAUSE_S = 6 * 3600.0

# Somebody wanted it to end: neither a success nor a failure.
_WANTED = frozenset({Reason.CANCELLED, Reason.REPLACED, Reason.ABORTED})


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of an attempt's end; `reason` None is success."""

    reason: str | None
    error: str | None = None
    exit_code: int | None = None
    result: str | None = None
    turns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None
    peak_rss_mb: float | None = None
    remote_ref: str | None = None
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Becomes:
    """The firing's next status, the attempt's outcome, whether the attempt is charged, and the pause before."""

    status: Literal["completed", "failed", "cancelled", "queued"]
    outcome: str
    charged: bool = True
    backoff_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Chances:
    """What is known of a firing whose attempt ends: the charged attempts with this one, and who wants an end."""

    attempts: int
    most_attempts: int
    retry_backoff_s: float = 0.0
    interruptions: int = 0
    abort_reason: str | None = None


def reason_that_counts(reason: str | None, chances: Chances) -> str | None:
    """What somebody asked to end never goes back in line; and deploys interrupt for nothing only so often."""
    if chances.abort_reason is not None and _goes_back(reason, chances):
        return chances.abort_reason
    if reason == INTERRUPTED and chances.interruptions >= MOST_INTERRUPTIONS:
        return Reason.WORKER_LOST
    return reason


def after_attempt(reason: str | None, chances: Chances, jitter: float, retry_after_s: int | None = None) -> Becomes:
    """None is success; a reason that can heal goes back in line while attempts are left.

    `jitter` (0 to 1) spreads retries over the second half of their backoff, which doubles each time. A target that
    asked for a longer pause gets it, within bounds, and a tenth more at most, for it told others the same. A lost
    worker is no sign of an overloaded target: its firing goes back at once.
    """
    if reason is None:
        return Becomes("completed", "completed")
    if reason in (INTERRUPTED, NOT_STARTED):
        return Becomes("queued", reason, charged=False)
    if reason in _WANTED:
        return Becomes("cancelled", "cancelled")
    if not _goes_back(reason, chances):
        return Becomes("failed", "failed")
    if reason == Reason.WORKER_LOST:
        return Becomes("queued", "requeued")
    backoff = min(MOST_BACKOFF_S, chances.retry_backoff_s * 2 ** (chances.attempts - 1))
    asked = min(LONGEST_PAUSE_S, float(retry_after_s or 0)) * (1 + jitter / 10)
    return Becomes("queued", "requeued", backoff_s=max(asked, backoff * (0.5 + jitter / 2)))


def _goes_back(reason: str | None, chances: Chances) -> bool:
    if reason is None:
        return False
    uncharged = reason in (INTERRUPTED, NOT_STARTED)
    return uncharged or (can_heal(Reason(reason)) and chances.attempts < chances.most_attempts)
