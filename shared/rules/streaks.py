"""What one ended firing does to its schedule's streaks: counts, warnings, auto-pause (STR-1 to STR-7)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.rules.reasons import Reason, is_failure_for_streak


class PauseReason(StrEnum):
    """Which streak paused a schedule."""

    FAILURE_STREAK = "failure_streak"
    TURN_BUDGET_BREACHES = "turn_budget_breaches"


class WarningCode(StrEnum):
    """What a schedule's owner should change before it pauses."""

    TURN_BUDGET_TOO_LOW = "turn_budget_too_low"
    NEAR_LEASE = "near_lease"
    FAILURES_HELD = "failures_held"


WORDS = {
    WarningCode.TURN_BUDGET_TOO_LOW: "Firings keep exceeding their turn budget: raise max_turns.",
    WarningCode.NEAR_LEASE: "Firings keep using most of their lease: raise max_run_seconds.",
    WarningCode.FAILURES_HELD: (
        "Firings keep failing for a reason of the outside world, and nothing else completes there that would show"
        " whose fault it is. They do not count towards its pause: look at its credentials, lane or host."
    ),
}


@dataclass(frozen=True, slots=True)
class Streaks:
    """The counts as the schedule's row holds them."""

    failures: int = 0
    breaches: int = 0
    near_lease: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A firing that ended: `reason` None if it completed, `ran_for` None if it never started.

    `held`: a failure that is not the schedule's own, as far as anybody knows (STR-5, STR-6). `alone`: its
    class is not tripped, so that nobody else has been told. `smaller`: its turn budget was less than its schedule's.
    """

    reason: Reason | None
    at: datetime
    ran_for: timedelta | None = None
    lease: timedelta | None = None
    held: bool = False
    alone: bool = False
    smaller: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many in a row; `near_lease_share` is the share of a lease above which a firing came near it."""

    failures_to_pause: int = 3
    breaches_to_pause: int = 5
    breaches_to_warn: int = 2
    near_lease_to_warn: int = 3
    near_lease_share: float = 0.8
    held_to_warn: int = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """The new counts, whether they pause the schedule, and what its owner should hear (words in `WORDS`)."""

    streaks: Streaks
    pause: PauseReason | None = None
    warnings: tuple[WarningCode, ...] = ()


DEFAULTS = Thresholds()


def after_firing(
    streaks: Streaks, ended: Ended, grace_until: datetime | None = None, limits: Thresholds = DEFAULTS
) -> Outcome:
    """The streaks after one more firing; `grace_until` is the end of the turn budget's edit grace, if any.

    Only the firing that raises a streak pauses or warns: a success never pauses a resumed schedule.
    """
    now = Streaks(
        failures=_failures(streaks.failures, ended),
        breaches=_breaches(streaks.breaches, ended, grace_until),
        near_lease=_near_lease(streaks.near_lease, ended, limits.near_lease_share),
        held=_held(streaks.held, ended),
    )
    return Outcome(now, _pause(streaks, now, limits), _warnings(streaks, now, limits))


def edit_grace_until(max_turns_set_at: datetime, first_occurrence_after: datetime) -> datetime:
    """Until when, inclusive, a breach is not counted after an edit of `max_turns` (STR-3)."""
    return max_turns_set_at + 2 * (first_occurrence_after - max_turns_set_at)


def is_smaller(budget: int | None, usual: int | None) -> bool:
    """Whether a turn budget is less than the usual one; None is no budget."""
    return budget is not None and (usual is None or budget < usual)


def next_average(old: int | None, new: int) -> int:
    """The running average of turns, 0.7 old to 0.3 new, halves up, the first value as it is (STR-7)."""
    if old is None:
        return new
    # In tenths and integers: as floats, 0.7 x 5 + 0.3 x 10 is a hair below its half and would round down.
    return (7 * old + 3 * new + 5) // 10


def _failures(streak: int, ended: Ended) -> int:
    if ended.reason is None:
        return 0
    counts = is_failure_for_streak(ended.reason) and not ended.held
    return streak + 1 if counts else streak


def _held(streak: int, ended: Ended) -> int:
    if ended.reason is None or not ended.held:
        wished = ended.reason is not None and not is_failure_for_streak(ended.reason)
        return streak if wished else 0
    return streak + 1 if ended.alone else streak


def _breaches(streak: int, ended: Ended, grace_until: datetime | None) -> int:
    if ended.reason != Reason.TURN_LIMIT_EXCEEDED:
        return 0
    in_grace = grace_until is not None and ended.at <= grace_until
    return streak if in_grace or ended.smaller else streak + 1


def _near_lease(streak: int, ended: Ended, share: float) -> int:
    if ended.ran_for is None or ended.lease is None:
        return streak
    return streak + 1 if ended.ran_for > share * ended.lease else 0


def _reached(before: int, after: int, threshold: int) -> bool:
    return after > before and after >= threshold


def _pause(before: Streaks, after: Streaks, limits: Thresholds) -> PauseReason | None:
    if _reached(before.failures, after.failures, limits.failures_to_pause):
        return PauseReason.FAILURE_STREAK
    if _reached(before.breaches, after.breaches, limits.breaches_to_pause):
        return PauseReason.TURN_BUDGET_BREACHES
    return None


def _warnings(before: Streaks, after: Streaks, limits: Thresholds) -> tuple[WarningCode, ...]:
    # Once, on reaching the number: a warning that comes with each firing is soon not read.
    found: list[WarningCode] = []
    if before.breaches < after.breaches == limits.breaches_to_warn:
        found.append(WarningCode.TURN_BUDGET_TOO_LOW)
    if before.near_lease < after.near_lease == limits.near_lease_to_warn:
        found.append(WarningCode.NEAR_LEASE)
    if before.held < after.held == limits.held_to_warn:
        found.append(WarningCode.FAILURES_HELD)
    return tuple(found)
