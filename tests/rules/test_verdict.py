"""The reaper's verdict as a table (REA-1 to REA-8), above all at the moments just before, at and after."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rules.reasons import Reason
from shared.rules.verdict import (
    Abort,
    Clocks,
    Exited,
    Fail,
    Keep,
    Requeue,
    Seen,
    Settle,
    verdict,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLOCKS = Clocks()
LOST = Fail(Reason.WORKER_LOST)
EXPIRED = Fail(Reason.LEASE_EXPIRED)
AGAIN = Requeue(Reason.WORKER_LOST)
UNCHARGED = Requeue(Reason.WORKER_LOST, charged=False)
WISHED = Fail(Reason.CANCELLED)
CANCELLED = Abort(Reason.CANCELLED)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def seen(beat_ago: float | None = -45.0, run_ago=-1000.0, **known):
    """An attempt: seconds since its heartbeat and its run lease expired (negative: still to come)."""
    heartbeat = None if beat_ago is None else ago(beat_ago)
    return Seen(run_expires_at=ago(run_ago), heartbeat_expires_at=heartbeat, **known)


def exited(seconds_ago, code=0):
    return Exited(code, ago(seconds_ago))


A_BIT = 0.000_001
TABLE = [
    # what                                    seen                                                    verdict
    ("within its lease", seen(), Keep("alive")),
    ("within its lease, ticks or not", seen(dead_ticks=9), Keep("alive")),
    ("at the end of its lease", seen(0, dead_ticks=9), Keep("alive")),
    ("just past its lease", seen(A_BIT, dead_ticks=9), Keep("unknown")),
    ("past it by the grace", seen(15, dead_ticks=9), Keep("unknown")),
    ("past it by more, one tick", seen(15 + A_BIT, dead_ticks=1), Keep("unknown")),
    ("past it by more, two ticks", seen(15 + A_BIT, dead_ticks=2), LOST),
    ("lost, attempts left", seen(16, dead_ticks=2, charged=2, max_attempts=3), AGAIN),
    ("lost, the last attempt", seen(16, dead_ticks=2, charged=3, max_attempts=3), LOST),
    ("lost past its run lease too", seen(16, 5000, dead_ticks=2, max_attempts=2), AGAIN),
    ("lost in a deploy", seen(16, dead_ticks=2, interrupting=True), UNCHARGED),
    ("in a second deploy", seen(16, dead_ticks=2, interrupting=True, interrupted=1), UNCHARGED),
    ("in a third deploy", seen(16, dead_ticks=2, interrupting=True, interrupted=2), LOST),
    ("in a third, retried", seen(16, dead_ticks=2, interrupting=True, interrupted=2, max_attempts=2), AGAIN),
    ("deploying and alive", seen(interrupting=True), Keep("alive")),
    ("known gone", seen(worker_gone=True, max_attempts=2), AGAIN),
    ("known gone, the last attempt", seen(worker_gone=True), LOST),
    ("just exited", seen(exited=exited(0)), Keep("exited")),
    ("exited, just young enough", seen(exited=exited(300 - A_BIT)), Keep("exited")),
    ("exited for the grace", seen(exited=exited(300)), Settle(0)),
    ("exited, failed", seen(exited=exited(301, 3)), Settle(3)),
    ("exited, never worker_lost", seen(5000, 5000, dead_ticks=9, exited=exited(10)), Keep("exited")),
    ("exited long ago, never worker_lost", seen(5000, 5000, dead_ticks=9, exited=exited(5001)), Settle(0)),
    ("exited, worker known gone", seen(exited=exited(0), worker_gone=True), Settle(0)),
    ("exited after an abort", seen(exited=exited(400, -15), abort=CANCELLED), Settle(-15, Reason.CANCELLED)),
    ("exited at the run lease", seen(0, 400, exited=exited(400, -15)), Settle(-15, Reason.LEASE_EXPIRED)),
    ("exited before the run lease", seen(0, 400, exited=exited(400 + A_BIT, -15)), Settle(-15)),
    ("abort asked, alive", seen(abort=CANCELLED), Keep("alive")),
    ("abort asked, deadline not past", seen(15, abort=CANCELLED), Keep("unknown")),
    ("abort asked, deadline past", seen(15 + A_BIT, abort=CANCELLED, max_attempts=9), WISHED),
    ("abort asked, worker gone", seen(worker_gone=True, abort=CANCELLED, max_attempts=9), WISHED),
    ("abort asked in a deploy", seen(16, abort=CANCELLED, interrupting=True), Fail(Reason.CANCELLED)),
    ("abort asked, run lease over", seen(-45, 30, abort=CANCELLED), Fail(Reason.CANCELLED)),
    ("abort asked, ceiling", seen(None, 600, abort=CANCELLED, max_attempts=9), WISHED),
    ("run lease over, guard's turn", seen(-45, 0), Keep("alive")),
    ("run lease over, just in time", seen(-45, 30 - A_BIT), Keep("alive")),
    ("run lease over, abort grace and two sweeps", seen(-45, 30), EXPIRED),
    ("run lease over, not retried", seen(-45, 30, max_attempts=9), EXPIRED),
    ("run lease over, liveness unknown", seen(None, 599), Keep("unknown")),
    ("run lease over, one tick", seen(20, 599, dead_ticks=1), Keep("unknown")),
    ("just under the ceiling", seen(None, 600 - A_BIT), Keep("unknown")),
    ("at the ceiling", seen(None, 600), LOST),
    ("at the ceiling, attempts left", seen(None, 600, max_attempts=2), AGAIN),
    ("at the ceiling, ticks stuck", seen(700, 600, dead_ticks=0), LOST),
    ("fenced", seen(5000, 5000, dead_ticks=9, exited=exited(9999), fenced=True), Keep("fenced")),
]  # fmt: skip


@pytest.mark.parametrize(("known", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_verdict_is_the_first_that_matches(known, expected):
    assert verdict(known, NOW, CLOCKS) == expected


@pytest.mark.parametrize("known", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_kill_switch_keeps_everything(known):
    assert verdict(known, NOW, Clocks(enabled=False)) == Keep("disabled")


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("cancelled", "cancelled"),
        ("replaced", "cancelled"),
        ("turn_limit_exceeded", "failed"),
        ("worker_lost", "failed"),
    ],
)
def test_a_firing_fails_into_the_state_that_was_wished(reason, state):
    assert Fail(Reason(reason)).state == state


SECONDS = st.integers(-2000, 2000)
ANYTHING = st.builds(
    seen,
    st.none() | SECONDS,
    SECONDS,
    dead_ticks=st.integers(0, 5),
    exited=st.none() | st.builds(exited, st.integers(0, 2000), st.sampled_from([0, 1, -9])),
    abort=st.none() | st.builds(Abort, st.sampled_from(Reason)),
    worker_gone=st.booleans(),
    interrupting=st.booleans(),
    charged=st.integers(1, 4),
    max_attempts=st.integers(1, 4),
    interrupted=st.integers(0, 3),
)


@given(known=ANYTHING)
def test_no_attempt_is_judged_against_what_is_known(known):
    found = verdict(known, NOW, CLOCKS)

    if known.exited:
        assert isinstance(found, Keep | Settle)
    if known.abort:
        assert not isinstance(found, Requeue)
    if isinstance(found, Requeue) and found.charged:
        assert known.charged < known.max_attempts
    if isinstance(found, Requeue) and not found.charged:
        assert known.interrupting
        assert known.interrupted < 2
    within = known.heartbeat_expires_at is not None and known.heartbeat_expires_at >= NOW < known.run_expires_at
    if within and not (known.exited or known.worker_gone):
        assert found == Keep("alive")


@given(known=ANYTHING)
def test_an_attempt_that_nobody_renews_always_ends(known):
    longest = NOW + timedelta(seconds=2000 + 2000 + 600)

    assert not isinstance(verdict(known, longest, CLOCKS), Keep)


def test_one_tick_less_than_needed_is_never_enough_however_late():
    for needed, beat in product((2, 3), (16, 5000)):
        rules = Clocks(dead_ticks=needed)
        assert isinstance(verdict(seen(beat, dead_ticks=needed - 1), NOW, rules), Keep)
        assert verdict(seen(beat, dead_ticks=needed), NOW, rules) == LOST
