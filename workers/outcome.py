"""How an attempt ended, as its target (or the reaper in its place) knows it."""

from dataclasses import dataclass

from shared.rules.endings import Report

# Two ends that are no failure and no reason of the closed list: a deploy's, and a payload never begun.
INTERRUPTED = "interrupted"
NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True)
class Outcome(Report):
    """A report by somebody; its reason is None, one of the closed list, or one of the two above."""

    by: str = "worker"
