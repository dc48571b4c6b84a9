"""The states of a firing, the reasons it ends for, and what follows from each."""

import re
from itertools import product
from pathlib import Path

import pytest

import shared
from shared.rules.reasons import (
    Reason,
    SkipReason,
    can_heal,
    ends_as,
    is_failure_for_streak,
    of_outside_world,
)
from shared.rules.states import TERMINAL, State, may_move

ALLOWED = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
}


@pytest.mark.parametrize(("old", "new"), list(product([state.value for state in State], repeat=2)))
def test_a_firing_moves_as_the_model_says_and_no_other_way(old, new):
    assert may_move(old, new) is ((old, new) in ALLOWED)


def test_an_ended_firing_stays_as_it_ended():
    assert not any(may_move(old, new) for old in TERMINAL for new in State)
    assert all(any(may_move(old, new) for new in TERMINAL) for old in set(State) - TERMINAL)


def test_a_word_that_is_no_state_is_a_mistake():
    with pytest.raises(ValueError, match="done"):
        may_move("running", "done")


def words(text):
    return set(text.split())


def test_the_reasons_are_the_models_closed_lists():
    assert {reason.value for reason in Reason} == words(
        "turn_limit_exceeded lease_expired timeout aborted cancelled replaced rate_limited auth_failed"
        " budget_exceeded workspace_unavailable worker_lost oom exit_nonzero target_error bad_target"
        " check_failed"
    )
    assert {reason.value for reason in SkipReason} == words(
        "overlap native paused missed deadline budget quarantined workspace manual"
    )


def test_the_first_migration_knows_the_same_words():
    script = "\n".join(path.read_text() for path in sorted((Path(shared.__file__).parent / "migrations").glob("*.sql")))
    quoted = set(re.findall("'([a-z_]+)'", script))

    assert {*State, *Reason, *SkipReason} <= quoted


#            reason                    heals  streak outside ends as
CONSEQUENCES = [
    ("turn_limit_exceeded", False, False, False, "failed"),
    ("lease_expired", False, True, False, "failed"),
    ("timeout", True, True, False, "failed"),
    ("aborted", False, False, False, "cancelled"),
    ("cancelled", False, False, False, "cancelled"),
    ("replaced", False, False, False, "cancelled"),
    ("rate_limited", True, True, True, "failed"),
    ("auth_failed", False, True, True, "failed"),
    ("budget_exceeded", False, True, False, "failed"),
    ("workspace_unavailable", True, True, True, "failed"),
    ("worker_lost", True, True, False, "failed"),
    ("oom", False, True, False, "failed"),
    ("exit_nonzero", False, True, False, "failed"),
    ("target_error", True, True, True, "failed"),
    ("bad_target", False, True, False, "failed"),
    ("check_failed", False, True, False, "failed"),
]


@pytest.mark.parametrize(("reason", "heals", "streak", "outside", "state"), CONSEQUENCES)
def test_each_reason_has_its_consequences(reason, heals, streak, outside, state):
    assert can_heal(reason) is heals
    assert is_failure_for_streak(reason) is streak
    assert of_outside_world(reason) is outside
    assert ends_as(reason) == state


def test_no_reason_was_left_out_of_the_consequences():
    assert [row[0] for row in CONSEQUENCES] == [reason.value for reason in Reason]
