"""What an occurrence meets when firings of its schedule are queued or running (SCH-7)."""

import pytest

from shared.rules.overlap import Fire, Overlap, ReplaceRunning, Skip, admit, may_catch_up

FIRE, SKIP, REPLACE = Fire(), Skip(), ReplaceRunning()


@pytest.mark.parametrize(
    ("policy", "nothing", "one_waits", "one_runs", "both"),
    [
        ("skip", FIRE, SKIP, SKIP, SKIP),
        ("queue_one", FIRE, SKIP, FIRE, SKIP),
        ("queue_all", FIRE, FIRE, FIRE, FIRE),
        ("replace", FIRE, REPLACE, REPLACE, REPLACE),
        ("allow", FIRE, FIRE, FIRE, FIRE),
    ],
)
def test_each_policy_does_what_it_says(policy, nothing, one_waits, one_runs, both):
    assert admit(policy, queued=0, running=0) == nothing
    assert admit(policy, queued=1, running=0) == one_waits
    assert admit(policy, queued=0, running=1) == one_runs
    assert admit(policy, queued=2, running=3) == both


def test_a_skip_says_that_it_was_for_overlap():
    assert SKIP.reason == "overlap"


def test_only_where_many_may_wait_or_run_at_once_is_caught_up():
    assert [policy for policy in Overlap if may_catch_up(policy)] == ["queue_all", "allow"]


def test_a_policy_nobody_knows_is_a_mistake():
    with pytest.raises(ValueError, match="never"):
        admit("never", 0, 0)
