"""Durations as pages say them."""

import pytest

from console.pages.words import roughly


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
