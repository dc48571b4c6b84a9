"""The estimate of the next free slot, and the names that are accepted."""

import pytest

from shared.rules.eta import slot_eta_s
from shared.rules.names import limit_key, name_of
from shared.rules.refused import RefusedValueError


@pytest.mark.parametrize(
    ("cap", "ends_in_s", "ahead_s", "expected"),
    [
        (2, [], [], 1),
        (2, [30.2, 50], [], 31),
        (2, [30, 50], [10], 40),
        (2, [30, 50], [10, 5], 45),
        (2, [30, 50], [100, 5], 55),
        (2, [30], [], 1),
        (2, [30], [7], 7),
        (2, [30], [40], 30),
        (1, [10, 20, 30], [], 30),  # two run beyond the cap: their ends free nothing
        (1, [-5], [], 1),
        (1, [float(2)], [0, 0, 0], 2),
        (0, [5], [5], 1),
    ],
)
def test_the_next_free_slot_is_the_first_that_those_ahead_leave_over(
    cap: int, ends_in_s: list[float], ahead_s: list[float], expected: int
) -> None:
    assert slot_eta_s(cap, ends_in_s, ahead_s) == expected


def test_a_name_is_trimmed_and_composed_and_measured_in_code_points() -> None:
    assert name_of("  cafe\u0301 ") == "caf\u00e9"
    assert len(name_of("\U0001f600" * 200)) == 200
    assert name_of("\U0001f469\u200d\U0001f680 <b>{{x}}") == "\U0001f469\u200d\U0001f680 <b>{{x}}"


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x00", "\u202eb", "a\u200bb", "x" * 201, "\ud800", "\x1b[1m"])
def test_a_name_nobody_can_read_is_refused(text: str) -> None:
    with pytest.raises(RefusedValueError, match="name"):
        name_of(text)


def test_limits_are_the_fleets_a_workspaces_or_a_lanes() -> None:
    for good in ("fleet", "workspace:01890000-0000-7000-8000-000000000000", "lane:a model/b", "lane:" + "x" * 100):
        assert limit_key(good) == good
    for bad in ("", "Fleet", "workspace:x", "lane:", "lane:" + "x" * 101, "lane:a\nb", "fleet\n"):
        with pytest.raises(RefusedValueError):
            limit_key(bad)
