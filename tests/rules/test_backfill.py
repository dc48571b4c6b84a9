"""What a backfill fires and what it leaves of the skips that it replaces."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules.backfill import MOST, Skipped, plan_backfill
from shared.rules.cron import occurrences, parse_cron
from shared.rules.refused import RefusedValueError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = (parse_cron("0 * * * *"), ZoneInfo("UTC"))


def skip(first: int, last: int, count: int | None = None, reason: str = "missed", number: int = 1) -> Skipped:
    count = last - first + 1 if count is None else count
    return Skipped(UUID(int=number), NOON + first * HOUR, NOON + last * HOUR, count, reason)


def told(hours: list[int], fired=(), skips=()):
    first, last = hours
    span = (NOON + first * HOUR, NOON + last * HOUR)
    found = plan_backfill(HOURLY, span, [NOON + it * HOUR for it in fired], skips)
    fire = [(at - NOON) // HOUR for at in found.fire]
    pieces = [
        ((it.left.first_at - NOON) // HOUR, (it.left.last_at - NOON) // HOUR, it.left.count, it.of.id.int)
        for it in found.pieces
    ]
    return fire, [it.id.int for it in found.replaced], pieces, found.fired_already, found.foreign


@pytest.mark.parametrize(
    ("hours", "fired", "skips", "expected"),
    [
        # Nothing is recorded: all of it, both ends included.
        ([0, 3], [], [], ([0, 1, 2, 3], [], [], 0, 0)),
        # What fired is not fired again.
        ([0, 3], [1, 2, 9], [], ([0, 3], [], [], 2, 0)),
        # A skip is replaced whole, at an end, in the middle, at both ends.
        ([0, 3], [], [skip(0, 3)], ([0, 1, 2, 3], [1], [], 0, 0)),
        ([0, 1], [], [skip(0, 3)], ([0, 1], [1], [(2, 3, 2, 1)], 0, 0)),
        ([2, 3], [], [skip(0, 3)], ([2, 3], [1], [(0, 1, 2, 1)], 0, 0)),
        ([1, 2], [], [skip(0, 5)], ([1, 2], [1], [(0, 0, 1, 1), (3, 5, 3, 1)], 0, 0)),
        ([2, 4], [], [skip(0, 2), skip(4, 9, number=2)], ([2, 3, 4], [1, 2], [(0, 1, 2, 1), (5, 9, 5, 2)], 0, 0)),
        # A skip outside is left alone.
        ([5, 6], [], [skip(0, 3)], ([5, 6], [], [], 0, 0)),
        # A skip that other times made is none of it, nor what lies within.
        ([0, 4], [], [skip(1, 2, count=9)], ([0, 3, 4], [], [], 0, 2)),
        ([0, 4], [2], [skip(1, 3, count=9)], ([0, 4], [], [], 1, 2)),
    ],
)  # fmt: skip
def test_what_is_fired_and_what_is_left(hours, fired, skips, expected):
    assert told(hours, fired, skips) == expected


def test_a_skip_of_half_hours_is_of_other_times():
    odd = Skipped(UUID(int=1), NOON + HOUR / 2, NOON + 2 * HOUR, 2, "overlap")

    assert plan_backfill(HOURLY, (NOON, NOON + 3 * HOUR), [], [odd]).foreign == 2


def test_too_many_at_once_are_refused_with_their_number():
    assert len(told([1, MOST])[0]) == MOST
    with pytest.raises(RefusedValueError, match=f"holds {MOST + 1} occurrences") as refusal:
        told([0, MOST])
    assert (refusal.value.field, refusal.value.code) == ("end", "backfill_too_large")
    with pytest.raises(RefusedValueError, match="more than 20000"):
        told([0, 24 * 365 * 3])


@settings(max_examples=60, deadline=None)
@given(
    ends=st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted),
    span=st.tuples(st.integers(-5, 65), st.integers(-5, 65)).map(sorted),
)
def test_what_is_fired_and_what_is_left_are_together_what_there_was(ends, span):
    """Across the hour that Berlin's clock repeats."""
    when = (parse_cron("*/20 * * * *"), ZoneInfo("Europe/Berlin"))
    start = datetime(2026, 10, 24, 20, tzinfo=UTC)
    moments = occurrences(*when, start, start + timedelta(hours=30), 61)
    there = moments[ends[0] : ends[1] + 1]
    known = Skipped(UUID(int=1), there[0], there[-1], len(there), "missed")
    asked = (start + span[0] * timedelta(minutes=20), start + span[1] * timedelta(minutes=20))

    found = plan_backfill(when, asked, [], [known])

    left = [at for it in found.pieces for at in occurrences(*when, it.left.first_at, it.left.last_at, 99)]
    assert [it.left.count for it in found.pieces] == [
        len([at for at in left if it.left.first_at <= at <= it.left.last_at]) for it in found.pieces
    ]
    if found.replaced:
        assert sorted(left + [at for at in found.fire if at in there]) == there
    else:
        assert not any(at in there for at in found.fire)
