"""What a firing becomes when an attempt of it ends: done, wanted, tried again, or failed (RUN-7)."""

from dataclasses import replace

import pytest

from shared.rules.endings import (
    INTERRUPTED,
    LONGEST_PAUSE_S,
    MOST_BACKOFF_S,
    NOT_STARTED,
    Becomes,
    Chances,
    after_attempt,
    reason_that_counts,
)
from shared.rules.reasons import Reason, can_heal

AGAIN = Becomes("queued", "requeued")
HEALS = [reason for reason in Reason if can_heal(reason) and reason != Reason.WORKER_LOST]


def becomes(
    reason: str | None, *, attempts: int = 1, most: int = 3, backoff_s: float = 30, jitter: float = 1
) -> Becomes:
    return after_attempt(reason, Chances(attempts, most, backoff_s), jitter)


HEALING = {"worker_lost", "rate_limited", "timeout", "target_error", "workspace_unavailable"}
DEPLOY, NEVER_BEGAN = Becomes("queued", INTERRUPTED, charged=False), Becomes("queued", NOT_STARTED, charged=False)
FAILED, CANCELLED = Becomes("failed", "failed"), Becomes("cancelled", "cancelled")
# reason, attempts charged of at most 3, deploys before, who wants an end -> the reason that counts, what it becomes
RUN_7 = [
    (INTERRUPTED, 1, 0, None, INTERRUPTED, DEPLOY),
    (INTERRUPTED, 3, 1, None, INTERRUPTED, DEPLOY),
    (INTERRUPTED, 1, 2, None, "worker_lost", AGAIN),
    (INTERRUPTED, 3, 2, None, "worker_lost", FAILED),
    (INTERRUPTED, 1, 0, "cancelled", "cancelled", CANCELLED),
    (INTERRUPTED, 1, 2, "cancelled", "cancelled", CANCELLED),
    (NOT_STARTED, 3, 2, None, NOT_STARTED, NEVER_BEGAN),
    (NOT_STARTED, 1, 0, "replaced", "replaced", CANCELLED),
    ("worker_lost", 1, 0, None, "worker_lost", AGAIN),
    ("worker_lost", 3, 0, None, "worker_lost", FAILED),
    ("worker_lost", 1, 0, "aborted", "aborted", CANCELLED),
    ("worker_lost", 3, 0, "aborted", "worker_lost", FAILED),
    ("timeout", 1, 0, "cancelled", "cancelled", CANCELLED),
    ("timeout", 1, 2, None, "timeout", replace(AGAIN, backoff_s=30)),
    ("exit_nonzero", 1, 0, "cancelled", "exit_nonzero", FAILED),
    (None, 1, 0, "cancelled", None, Becomes("completed", "completed")),
]


@pytest.mark.parametrize(("reason", "attempts", "deploys", "wanted", "counts", "then"), RUN_7)
def test_the_table_of_retries(
    reason: str | None, attempts: int, deploys: int, wanted: str | None, counts: str | None, then: Becomes
) -> None:
    chances = Chances(attempts, 3, 30, deploys, wanted)

    told = reason_that_counts(reason, chances)

    assert (told, after_attempt(told, chances, 1)) == (counts, then)


def test_only_these_reasons_heal() -> None:
    assert {str(reason) for reason in Reason if can_heal(reason)} == HEALING


def test_without_a_reason_it_is_completed() -> None:
    assert becomes(None) == Becomes("completed", "completed")


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.REPLACED, Reason.ABORTED])
def test_what_somebody_wanted_is_cancelled_however_many_attempts_are_left(reason: Reason) -> None:
    assert becomes(reason) == Becomes("cancelled", "cancelled")


def test_a_lost_worker_costs_its_firing_no_pause() -> None:
    assert becomes(Reason.WORKER_LOST, attempts=2) == AGAIN
    assert becomes(Reason.WORKER_LOST, attempts=3) == Becomes("failed", "failed")


@pytest.mark.parametrize("reason", HEALS)
def test_what_can_heal_is_tried_again_until_the_last_attempt_is_used(reason: Reason) -> None:
    told = [becomes(reason, attempts=attempts, most=3) for attempts in (1, 2, 3)]

    assert told == [replace(AGAIN, backoff_s=30), replace(AGAIN, backoff_s=60), Becomes("failed", "failed")]


def test_a_backoff_doubles_up_to_an_hour_and_is_spread_over_its_second_half() -> None:
    told = [becomes(HEALS[0], attempts=attempts, most=20).backoff_s for attempts in range(1, 10)]

    assert told == [30, 60, 120, 240, 480, 960, 1920, MOST_BACKOFF_S, MOST_BACKOFF_S]
    assert [becomes(HEALS[0], jitter=jitter).backoff_s for jitter in (0, 0.5, 1)] == [15, 22.5, 30]


@pytest.mark.parametrize("reason", [it for it in Reason if not can_heal(it)])
def test_what_cannot_heal_is_never_tried_again(reason: Reason) -> None:
    assert becomes(reason).status != "queued"


def test_a_target_gets_the_pause_that_it_asked_for_where_that_is_the_longer_one() -> None:
    def told(asked_s: int, jitter: float) -> float:
        return after_attempt(HEALS[0], Chances(1, 3, 30), jitter, asked_s).backoff_s

    assert [told(asked_s, jitter) for asked_s, jitter in ((20, 1), (100, 0), (100, 1))] == [30, 100, pytest.approx(110)]
    assert told(10**9, 0) == LONGEST_PAUSE_S, "nobody puts a firing off for ever"
    assert after_attempt(Reason.WORKER_LOST, Chances(1, 3, 30), 1, 100) == AGAIN, "it was not the target that failed"
