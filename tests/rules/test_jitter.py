"""Jitter is a stable part of a schedule, not a new throw of dice (SCH-9)."""

import subprocess
import sys
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.rules.jitter import jitter

ID = UUID("018f9a3c-0000-7000-8000-00000000002a")


@given(schedule_id=st.uuids(), jitter_s=st.integers(1, 86400))
def test_it_stays_within_its_seconds(schedule_id, jitter_s):
    delay = jitter(schedule_id, jitter_s)

    assert timedelta(0) <= delay < timedelta(seconds=jitter_s)
    assert delay == jitter(str(schedule_id), jitter_s)


def test_a_restart_moves_nothing():
    asked = f"from shared.rules.jitter import jitter; print(jitter('{ID}', 600).total_seconds())"

    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert float(told.stdout) == jitter(ID, 600).total_seconds()


def test_no_jitter_is_no_delay():
    assert jitter(ID, 0) == jitter(ID, -1) == timedelta(0)


def test_schedules_spread_over_the_whole_of_it():
    delays = [jitter(UUID(int=n), 100).total_seconds() for n in range(1000)]

    for tenth in range(0, 100, 10):
        assert 50 < sum(tenth <= delay < tenth + 10 for delay in delays) < 150
