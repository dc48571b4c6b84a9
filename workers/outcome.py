"""How an attempt ended, as its target (or the reaper in its place) knows it."""

from dataclasses import dataclass

# Two ends that are no failure and no reason of the closed list: a deploy's, and a payload never begun.
INTERRUPTED = "interrupted"
NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` None is success; else a reason of the closed list, or one of the two above."""

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
    by: str = "worker"
