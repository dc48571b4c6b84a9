"""How an attempt ended, as its target (or the reaper in its place) knows it."""

from dataclasses import dataclass

from shared.rules.endings import Report

# Of what a firing's row keeps; all that was said is in its events.
LONGEST_RESULT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome(Report):
    """A report by somebody; its reason is None, one of the closed list, interrupted or not_started."""

    by: str = "worker"
