"""Why a firing failed or an occurrence was skipped: the closed lists, with what follows from each reason."""

from enum import StrEnum

from shared.rules.states import State


class Reason(StrEnum):
    """Why a firing did not complete; the values are those of `firings.failure_reason`."""

    TURN_LIMIT_EXCEEDED = "turn_limit_exceeded"
    LEASE_EXPIRED = "lease_expired"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    RATE_LIMITED = "rate_limited"
    AUTH_FAILED = "auth_failed"
    BUDGET_EXCEEDED = "budget_exceeded"
    WORKSPACE_UNAVAILABLE = "workspace_unavailable"
    WORKER_LOST = "worker_lost"
    OOM = "oom"
    EXIT_NONZERO = "exit_nonzero"
    TARGET_ERROR = "target_error"
    BAD_TARGET = "bad_target"
    CHECK_FAILED = "check_failed"


class SkipReason(StrEnum):
    """Why an occurrence made no firing; the values are those of `skips.reason`."""

    OVERLAP = "overlap"
    NATIVE = "native"
    PAUSED = "paused"
    MISSED = "missed"
    DEADLINE = "deadline"
    BUDGET = "budget"
    QUARANTINED = "quarantined"
    WORKSPACE = "workspace"
    MANUAL = "manual"


_HEALING = frozenset(
    {
        Reason.WORKER_LOST,
        Reason.RATE_LIMITED,
        Reason.TIMEOUT,
        Reason.TARGET_ERROR,
        Reason.WORKSPACE_UNAVAILABLE,
    }
)
_BY_A_PERSON = frozenset({Reason.CANCELLED, Reason.REPLACED, Reason.ABORTED})
_OUTSIDE = frozenset({Reason.RATE_LIMITED, Reason.AUTH_FAILED, Reason.WORKSPACE_UNAVAILABLE, Reason.TARGET_ERROR})


def can_heal(reason: Reason | str) -> bool:
    """Whether another attempt may end better (RUN-7)."""
    return Reason(reason) in _HEALING


def is_failure_for_streak(reason: Reason | str) -> bool:
    """Whether it adds to `failure_streak`: not what a person ended (STR-5), not a turn breach (STR-2)."""
    return Reason(reason) not in _BY_A_PERSON and reason != Reason.TURN_LIMIT_EXCEEDED


def of_outside_world(reason: Reason | str) -> bool:
    """Whether the cause may be an outage that other schedules share (STR-6)."""
    return Reason(reason) in _OUTSIDE


def ends_as(reason: Reason | str) -> State:
    """The terminal state of a firing that ends for this reason: `cancelled` if somebody wished it so."""
    return State.CANCELLED if Reason(reason) in _BY_A_PERSON else State.FAILED
