"""The estimate of the next free slot, and the names that are accepted."""

import pytest

from shared.rules.eta import Guess, in_words, look_again_s, slot_eta
from shared.rules.names import limit_key, name_of
from shared.rules.refused import RefusedValueError


def known(*seconds: float) -> list[Guess]:
    return [Guess(it, measured=True) for it in seconds]


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
    assert slot_eta(cap, known(*ends_in_s), known(*ahead_s)) == Guess(expected, measured=True)


LEASE = Guess(1200, measured=False)


@pytest.mark.parametrize(
    ("ends", "ahead", "expected"),
    [
        ([LEASE, LEASE], [], LEASE),
        ([*known(30), LEASE], [], Guess(30, measured=True)),  # one ends soon, whatever the other does
        ([*known(30), LEASE], known(20), Guess(50, measured=True)),
        ([*known(30, 50)], [LEASE], Guess(50, measured=True)),
        ([*known(30, 50)], [LEASE, LEASE], Guess(1230, measured=False)),
        ([LEASE, LEASE], [LEASE, LEASE], Guess(2400, measured=False)),
    ],
)
def test_a_run_lease_is_no_estimate(ends: list[Guess], ahead: list[Guess], expected: Guess) -> None:
    """Added up where nothing was measured, leases once told of forty minutes before the first run had ended."""
    assert slot_eta(2, ends, ahead) == expected


def test_what_is_not_measured_is_not_said_as_if_it_were_and_asked_for_again_soon() -> None:
    measured, unknown = Guess(2420, measured=True), Guess(2420, measured=False)

    assert (look_again_s(measured), look_again_s(unknown), look_again_s(Guess(7, measured=False))) == (2420, 60, 7)
    assert in_words(measured) == "a slot is expected in about 40 min 20 s"
    assert in_words(unknown).startswith("nobody can say when")
    assert in_words(unknown).endswith("at the latest in 40 min 20 s")


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
