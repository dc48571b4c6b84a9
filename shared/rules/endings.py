"""What becomes of a firing when an attempt of it ends for a reason."""

from dataclasses import dataclass
from typing import Literal

from shared.rules.reasons import Reason, can_heal

MOST_INTERRUPTIONS = 2
MOST_BACKOFF_S = 3600.0

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


@dataclass(frozen=True, slots=True)
class Becomes:
    """The firing's next status, the attempt's outcome, whether the attempt is charged, and the pause before."""

    status: Literal["completed", "failed", "cancelled", "queued"]
    outcome: str
    charged: bool = True
    backoff_s: float = 0.0


def after_attempt(
    reason: str | None, *, attempts: int, most_attempts: int, retry_backoff_s: float, jitter: float
) -> Becomes:
    """None is success; a reason that can heal goes back in line while attempts are left.

    `jitter` (0 to 1) spreads retries over the second half of their backoff, which doubles each time. A lost
    worker is no sign of an overloaded target: its firing goes back at once.
    """
    if reason is None:
        return Becomes("completed", "completed")
    if reason in _WANTED:
        return Becomes("cancelled", "cancelled")
    if can_heal(Reason(reason)) and attempts < most_attempts:
        if reason == Reason.WORKER_LOST:
            return Becomes("queued", "requeued")
        backoff = min(MOST_BACKOFF_S, retry_backoff_s * 2 ** (attempts - 1))
        return Becomes("queued", "requeued", backoff_s=backoff * (0.5 + jitter / 2))
    return Becomes("failed", "failed")
