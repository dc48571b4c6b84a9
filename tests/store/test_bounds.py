"""Numbers and lengths at their bounds: what is exactly on one is accepted, what is beyond it refused."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import errors

from tests.store.rows import Rows

# The least and the greatest; None: no bound on that side.
Bounds = dict[str, tuple[int | None, int | None]]
SCHEDULE: Bounds = {
    "priority": (0, 9),
    "start_deadline_s": (1, None),
    "jitter_s": (0, 86400),
    "remaining_runs": (0, None),
    "max_turns": (1, 1000),
    "max_run_seconds": (1, 86400),
    "max_attempts": (1, 20),
    "retry_backoff_s": (0, 86400),
    "daily_turn_budget": (1, None),
    "budget_turns": (1, None),
    "budget_tokens": (1, None),
    "budget_micros": (1, None),
    "alert_after_s": (1, None),
    "failure_streak": (0, None),
    "turn_budget_breach_streak": (0, None),
    "near_lease_streak": (0, None),
}
FIRING: Bounds = {"priority": (0, 9), "max_turns": (1, None), "max_run_seconds": (1, None), "max_attempts": (1, None)}
LENGTHS = {"name": 200, "lane": 100, "prompt": 262144}


def test_numbers_of_a_schedule_end_at_their_bounds(rows: Rows) -> None:
    hold(SCHEDULE, rows.schedule)


def test_numbers_of_a_firing_end_at_their_bounds(rows: Rows) -> None:
    hold(FIRING, rows.firing)


def hold(bounds: Bounds, write: Callable[..., Any]) -> None:
    for column, (least, greatest) in bounds.items():
        for bound, step in ((least, -1), (greatest, 1)):
            if bound is not None:
                write(**{column: bound})
                with pytest.raises(errors.CheckViolation):
                    write(**{column: bound + step})


def test_texts_of_a_schedule_end_at_their_lengths(rows: Rows) -> None:
    for column, most in LENGTHS.items():
        rows.schedule(**{column: "x" * most})
        with pytest.raises(errors.CheckViolation):
            rows.schedule(**{column: "x" * (most + 1)})
    for column in ("name", "lane"):
        with pytest.raises(errors.CheckViolation):
            rows.schedule(**{column: ""})


def test_a_cap_ends_at_nothing_and_at_ten_thousand(rows: Rows) -> None:
    rows.cap("lane:x", 0)
    rows.cap("lane:x", 10000)
    for cap in (-1, 10001):
        with pytest.raises(errors.CheckViolation):
            rows.cap("lane:x", cap)
