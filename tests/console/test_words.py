"""Durations and distances in time, as pages and the command line say them."""

from datetime import UTC, datetime, timedelta

import pytest

from console.cli import show
from shared.clock import now
from shared.rules.lasting import roughly, when

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *[(0.4, "now"), (40, "40 s"), (59.6, "1 min"), (119 * 60, "119 min")],
        *[(7169, "119 min"), (7170, "2 h"), (7200, "2 h"), (47 * 3600, "47 h"), (172_790, "2 d"), (260_000, "3 d")],
    ],
)
def test_a_duration_is_said_in_its_largest_unit_also_where_rounding_reaches_it(seconds: float, said: str) -> None:
    assert roughly(seconds) == said


def test_minutes_that_follow_on_each_other_are_said_so() -> None:
    assert [roughly(30 + 60 * it) for it in range(1, 5)] == ["2 min", "3 min", "4 min", "5 min"]


@pytest.mark.parametrize(("hours", "said"), [(46, "in 46 h"), (-46, "46 h ago"), (70, "in 3 d"), (0, "now")])
def test_a_moment_is_said_by_its_distance(hours: int, said: str) -> None:
    assert when(MORNING + timedelta(hours=hours), MORNING) == said


def test_the_command_line_says_a_moment_as_the_pages_do() -> None:
    moment = now() + timedelta(hours=46, minutes=-2)

    assert show.ago(moment.isoformat()) == when(moment, now()) == "in 46 h"
