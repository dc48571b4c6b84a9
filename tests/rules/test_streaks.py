"""Streaks, auto-pause and the running average (STR-1 to STR-5, STR-7)."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rules.reasons import Reason, is_failure_for_streak
from shared.rules.streaks import (
    WORDS,
    Ended,
    PauseReason,
    Streaks,
    Thresholds,
    WarningCode,
    after_firing,
    edit_grace_until,
    next_average,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=1200)
GENERIC = [reason for reason in Reason if is_failure_for_streak(reason)]


def end(reason=None, **known):
    return Ended(None if reason is None else Reason(reason), NOW, **known)


@pytest.mark.parametrize("reason", GENERIC)
def test_a_generic_failure_adds_one_and_ends_the_breaches(reason):
    assert after_firing(Streaks(1, 3), end(reason)).streaks == Streaks(2, 0)


def test_a_success_sets_failures_and_breaches_to_nothing():
    outcome = after_firing(Streaks(7, 4), end())

    assert outcome.streaks == Streaks()
    assert outcome.pause is None


@pytest.mark.parametrize(("before", "pause"), [(0, None), (1, None), (2, "failure_streak"), (3, "failure_streak")])
def test_the_third_failure_pauses(before, pause):
    assert after_firing(Streaks(before), end("exit_nonzero")).pause == pause


@pytest.mark.parametrize("reason", ["cancelled", "replaced", "aborted"])
def test_what_a_person_ended_is_neither_a_failure_nor_a_success(reason):
    outcome = after_firing(Streaks(3, 4), end(reason))

    assert outcome.streaks == Streaks(3, 0)
    assert outcome.pause is None


def test_a_breach_leaves_the_failures_alone():
    assert after_firing(Streaks(2, 0), end("turn_limit_exceeded")).streaks == Streaks(2, 1)


@pytest.mark.parametrize(
    ("before", "warns", "pause"),
    [
        (0, False, None),
        (1, True, None),
        (2, False, None),
        (3, False, None),
        (4, False, "turn_budget_breaches"),
    ],
)
def test_breaches_warn_at_two_and_pause_at_five(before, warns, pause):
    outcome = after_firing(Streaks(breaches=before), end("turn_limit_exceeded"))

    assert outcome.warnings == ((WarningCode.TURN_BUDGET_TOO_LOW,) if warns else ())
    assert outcome.pause == pause


@pytest.mark.parametrize(("after_grace", "breaches"), [(-1, 1), (0, 1), (1, 2)])
def test_a_breach_that_ends_within_the_edit_grace_leaves_the_streak(after_grace, breaches):
    grace_until = NOW - timedelta(microseconds=after_grace)

    assert after_firing(Streaks(0, 1), end("turn_limit_exceeded"), grace_until).streaks.breaches == breaches


def test_the_edit_grace_excuses_no_other_failure():
    outcome = after_firing(Streaks(2, 4), end("oom"), NOW + LEASE)

    assert outcome.streaks == Streaks(3, 0)
    assert outcome.pause is PauseReason.FAILURE_STREAK


def test_the_edit_grace_is_twice_the_way_to_the_first_occurrence():
    assert edit_grace_until(NOW, NOW + timedelta(minutes=10)) == NOW + timedelta(minutes=20)


def test_a_held_failure_of_the_outside_world_is_not_counted():
    outcome = after_firing(Streaks(2, 1), end("rate_limited", held=True))

    assert outcome.streaks == Streaks(2, 0)
    assert outcome.pause is None


@pytest.mark.parametrize(("seconds", "streak"), [(959, 0), (960, 0), (960.001, 3), (1200, 3)])
def test_more_than_four_fifths_of_the_lease_comes_near_it(seconds, streak):
    outcome = after_firing(Streaks(near_lease=2), end(ran_for=timedelta(seconds=seconds), lease=LEASE))

    assert outcome.streaks.near_lease == streak
    assert outcome.warnings == ((WarningCode.NEAR_LEASE,) if streak else ())


def test_the_near_lease_warning_comes_once():
    long = end("lease_expired", ran_for=LEASE, lease=LEASE)

    assert [after_firing(Streaks(near_lease=n), long).warnings != () for n in range(5)] == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_firing_that_never_started_says_nothing_of_the_lease():
    assert after_firing(Streaks(near_lease=2), end("cancelled")).streaks.near_lease == 2


def test_the_thresholds_are_settings():
    limits = Thresholds(failures_to_pause=1, breaches_to_warn=1, breaches_to_pause=1)

    assert after_firing(Streaks(), end("oom"), None, limits).pause is PauseReason.FAILURE_STREAK
    breach = after_firing(Streaks(), end("turn_limit_exceeded"), None, limits)
    assert (breach.pause, breach.warnings) == (
        PauseReason.TURN_BUDGET_BREACHES,
        (WarningCode.TURN_BUDGET_TOO_LOW,),
    )


def test_each_warning_has_words_with_a_remedy():
    assert set(WORDS) == set(WarningCode)
    assert all("raise max_" in words or "look at" in words for words in WORDS.values())


@pytest.mark.parametrize(
    ("old", "new", "average"),
    [(None, 17, 17), (0, 0, 0), (5, 10, 7), (10, 5, 9), (10, 20, 13), (1, 2, 1), (3, 8, 5)],
)
def test_the_average_rounds_halves_up_and_takes_the_first_as_it_is(old, new, average):
    assert next_average(old, new) == average


@given(old=st.integers(0, 10**6), new=st.integers(0, 10**6))
def test_the_average_is_the_exact_one_rounded(old, new):
    exact = Fraction(7, 10) * old + Fraction(3, 10) * new

    assert next_average(old, new) == (exact + Fraction(1, 2)).__floor__()


@given(reasons=st.lists(st.sampled_from([None, *Reason]), max_size=30))
def test_the_streaks_are_what_the_history_shows(reasons):
    streaks = Streaks()
    for reason in reasons:
        streaks = after_firing(streaks, end(reason)).streaks

    since_success = reasons[len(reasons) - reasons[::-1].index(None) :] if None in reasons else reasons
    others = [n for n, reason in enumerate(reasons) if reason != Reason.TURN_LIMIT_EXCEEDED]
    assert streaks.failures == sum(1 for reason in since_success if reason in GENERIC)
    assert streaks.breaches == len(reasons) - (others[-1] + 1 if others else 0)
