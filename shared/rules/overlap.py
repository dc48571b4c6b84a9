"""Whether an occurrence may become a firing while others of its schedule are queued or running (SCH-7)."""

from dataclasses import dataclass
from enum import StrEnum

from shared.rules.reasons import SkipReason


class Overlap(StrEnum):
    """What a schedule wants when its occurrences meet; the values are those of `schedules.overlap`."""

    SKIP = "skip"
    QUEUE_ONE = "queue_one"
    QUEUE_ALL = "queue_all"
    REPLACE = "replace"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Fire:
    """Make the firing."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Make none, and record why."""

    reason: SkipReason = SkipReason.OVERLAP


@dataclass(frozen=True, slots=True)
class ReplaceRunning:
    """Abort what runs and cancel what waits, both as `replaced`, then make the firing."""


_FIRE, _SKIP, _REPLACE = Fire(), Skip(), ReplaceRunning()


def admit(policy: Overlap | str, queued: int, running: int) -> Fire | Skip | ReplaceRunning:
    """What to do with an occurrence, given how many firings of its schedule are queued and running."""
    match Overlap(policy):
        case Overlap.SKIP if queued or running:
            return _SKIP
        case Overlap.QUEUE_ONE if queued:
            return _SKIP
        case Overlap.REPLACE if queued or running:
            return _REPLACE
        case _:
            return _FIRE


def may_catch_up(policy: Overlap | str) -> bool:
    """Whether missed = `all` goes with this policy: only where many may wait or run together (SCH-8)."""
    return Overlap(policy) in (Overlap.QUEUE_ALL, Overlap.ALLOW)


def runs_alone(policy: Overlap | str) -> bool:
    """Whether a queued firing of the schedule waits while another one of it runs: all but `allow`."""
    return Overlap(policy) is not Overlap.ALLOW
