"""Failures that schedules share: when a class trips, which failures are held, when recovery is tried (STR-6)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rows say about a class when one more firing of it failed.

    `failing`: schedules that failed so within the window, since anything completed there. `completed_since`:
    another schedule's firing completed there since the one of this schedule before.
    """

    tripped: bool
    failing: int
    completed_since: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether the class trips by this failure, and whether the failure is held: counts for no streak."""

    trips: bool
    held: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """How many schedules trip a class, within what window, and how often its recovery is tried."""

    schedules: int = 3
    window: timedelta = timedelta(seconds=300)
    first_probe: timedelta = timedelta(seconds=60)
    slowest_probe: timedelta = timedelta(seconds=900)


def class_key(reason: str, place: str) -> str:
    """The class of a failure: its reason and where it shows, as `rate_limited@lane:claude`."""
    return f"{reason}@{place}"


def judge(evidence: Evidence, schedules_to_trip: int) -> Judged:
    """What one more failure of the outside world means."""
    trips = not evidence.tripped and evidence.failing >= schedules_to_trip
    return Judged(trips, evidence.tripped or trips or not evidence.completed_since)


def probe_after(probes: int, patience: Patience) -> timedelta:
    """How long after a trip (no probes yet) or a failed probe the next one goes: twice as long each time."""
    doubled = patience.first_probe * 2 ** min(probes, 30)
    return min(doubled, patience.slowest_probe)
