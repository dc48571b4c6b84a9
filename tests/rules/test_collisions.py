"""MAN-5 and MAN-6: schedules of a workspace that meet in five minutes, free offsets, the calibration hint."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules.collisions import WARNED_TURNS, Weighed, adapter_of, buckets_of, calibration, collision, free_offsets
from shared.rules.cron import occurrences, parse_cron
from shared.rules.cron_shift import shifts

NOW = datetime(2026, 3, 28, 10, 7, 30, tzinfo=UTC)


def weighed(number: int, cron: str | None, turns: int | None = 1500, **over: Any) -> Weighed:
    values: dict[str, Any] = {"run_at": None, "timezone": "UTC", "avg_turns": turns, **over}
    return Weighed(id=UUID(int=number), name=f"s{number}", cron=cron, **values)


def at(hour: int, minute: int, day: int = 29) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("own", "others", "turns", "buckets"),
    [
        ("0 3 * * *", ["0 3 * * *"], 3000, [at(3, 0)]),
        ("0 3 * * *", ["4 3 * * *"], 3000, [at(3, 0)]),
        ("0 3 * * *", ["5 3 * * *"], None, []),
        ("4 3 * * *", ["5 3 * * *"], None, []),  # a minute apart, in two buckets
        ("0 3 * * *", ["0 15 * * *"], None, []),  # a bucket is of the day, not of the hour
        ("0 3 * * *", ["*/5 * * * *", "0 * * * *"], 4500, [at(3, 0)]),
        ("0 3,15 * * *", ["0 * * * *"], 3000, [at(15, 0, 28), at(3, 0)]),
        ("0 3 * * 1", ["0 3 * * *"], None, []),  # a Monday, and tomorrow is Sunday
        ("7 10 * * *", ["7 10 * * *"], 3000, [at(10, 5)]),  # 10:07 has passed today: tomorrow's
    ],
)
def test_schedules_collide_where_their_turns_reach_the_sum_in_one_five_minutes(
    own: str, others: list[str], turns: int | None, buckets: list[datetime]
) -> None:
    found = collision(weighed(1, own), [weighed(n, it) for n, it in enumerate(others, 2)], NOW)

    assert (found and found.turns, list(found.buckets) if found else []) == (turns, buckets)
    assert found is None or {it.id.int for it in found.others} == set(range(2, len(others) + 2))


def test_one_turn_short_of_the_sum_is_no_collision() -> None:
    assert collision(weighed(1, "0 3 * * *", 1499), [weighed(2, "0 3 * * *")], NOW) is None
    assert WARNED_TURNS == 3000


def test_a_schedule_never_collides_with_itself_however_often_it_fires() -> None:
    often = weighed(1, "* * * * *", 5000)

    assert collision(often, [often], NOW) is None
    assert collision(often, [], NOW) is None
    once = collision(weighed(1, "* * * * *", 2000), [weighed(2, "2 3 * * *", 1000)], NOW)
    assert once is not None
    assert once.turns == 3000  # five times in those minutes, and one schedule all the same


def test_a_new_schedule_counts_nothing_yet_but_hears_of_those_it_joins() -> None:
    others = [weighed(2, "0 3 * * *", 1600), weighed(3, "2 3 * * *", 1400), weighed(4, "0 3 * * *", None)]

    found = collision(weighed(1, "0 3 * * *", None), others, NOW)

    assert found is not None
    assert ([it.name for it in found.others], found.turns) == (["s2", "s3"], 3000)


def test_occurrences_are_nominal_and_within_a_schedules_bounds() -> None:
    other = [weighed(2, "0 3 * * *")]

    assert collision(weighed(1, None, run_at=at(3, 1)), other, NOW) is not None
    assert collision(weighed(1, None, run_at=at(3, 1, 30)), other, NOW) is None
    assert collision(weighed(1, "0 3 * * *", end_at=at(3, 0)), other, NOW) is not None
    assert collision(weighed(1, "0 3 * * *", end_at=at(2, 59)), other, NOW) is None
    assert collision(weighed(1, "0 3 * * *", start_at=at(3, 1)), other, NOW) is None
    assert collision(weighed(1, "0 * * * *", remaining_runs=3), other, NOW) is None


def test_wall_clocks_collide_where_they_really_meet() -> None:
    berlin = weighed(1, "0 5 * * *", timezone="Europe/Berlin")  # clocks go forward that night: 03:00 UTC

    assert collision(berlin, [weighed(2, "0 3 * * *")], NOW) is not None
    assert collision(berlin, [weighed(2, "0 4 * * *")], NOW) is None


CRONS = st.sampled_from(["*/5 * * * *", "3-59/15 * * * *", "0 * * * *", "30 2 * * *", "0 0 * * 6", "@daily"])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])


@settings(max_examples=40)
@given(
    CRONS, ZONES, st.integers(0, 3 * 86_400), st.none() | st.integers(0, 200_000), st.none() | st.integers(0, 200_000)
)
def test_buckets_are_those_of_each_occurrence(
    cron: str, zone: str, offset: int, start: int | None, end: int | None
) -> None:
    now = NOW + timedelta(seconds=offset)
    bounds: dict[str, Any] = {
        "start_at": None if start is None else NOW + timedelta(seconds=start),
        "end_at": None if end is None else NOW + timedelta(seconds=end),
    }

    found = buckets_of(weighed(1, cron, timezone=zone, **bounds), now)

    each = occurrences(
        parse_cron(cron), ZoneInfo(zone), now, now + timedelta(hours=24) - timedelta(microseconds=1), 2000
    )
    inside = [it for it in each if (bounds["start_at"] or it) <= it <= (bounds["end_at"] or it)]
    assert found == {int(it.timestamp()) // 300 for it in inside}


@pytest.mark.parametrize(
    ("cron", "first", "count"),
    [
        ("0 3 * * *", "5 3 * * *", 11),
        ("58 3 * * mon", "3 3 * * mon", 11),
        ("*/15 * * * *", "5-59/15 * * * *", 2),
        ("0,30 9-17 * * 1-5", "5-59/30 9-17 * * 1-5", 5),
        ("0,10 * * * *", "5,15 * * * *", 11),
        ("@daily", "5 0 * * *", 11),
        ("*/5 * * * *", None, 0),
        ("* * * * *", None, 0),
    ],
)
def test_a_cron_is_moved_within_its_hours(cron: str, first: str | None, count: int) -> None:
    found = [it.text for it in shifts(parse_cron(cron))]

    assert (next(iter(found), None), len(found), len(set(found))) == (first, count, count)


def test_the_three_best_offsets_are_free_and_the_emptiest_come_first() -> None:
    busy = [weighed(9, f"{minute} 3 * * *", turns) for minute, turns in ((0, 2500), (5, 10), (10, 2000), (20, 30))]

    found = free_offsets(weighed(1, "0 3 * * *", 1000), busy, NOW)

    assert [(it.cron, it.turns) for it in found] == [("15 3 * * *", 1000), ("25 3 * * *", 1000), ("30 3 * * *", 1000)]
    full = [weighed(9, "*/5 * * * *", 2500)]
    assert free_offsets(weighed(1, "0 3 * * *", 1000), full, NOW) == ()
    assert free_offsets(weighed(1, None, run_at=at(3, 0)), full, NOW) == ()


def test_an_offset_that_is_suggested_collides_no_more() -> None:
    others = [weighed(n, f"{n % 12 * 5} {n % 5} * * *", 600 if n % 3 else 1300) for n in range(2, 60)]
    one = weighed(1, "0 0-4 * * *", 1800)
    assert collision(one, others, NOW) is not None

    found = free_offsets(one, others, NOW)

    assert found
    assert all(collision(weighed(1, it.cron, 1800), others, NOW) is None for it in found)


def test_the_hint_is_the_median_of_what_the_same_adapter_took() -> None:
    assert calibration([]) is None
    assert calibration([40]) == 40
    assert calibration([10, 1000, 30]) == 30
    assert calibration([10, 21]) == 16
    assert calibration([10, 23]) == 17
    assert adapter_of({"kind": "command", "adapter": "claude-code"}) == "claude-code"
    assert adapter_of({"kind": "command"}) == "generic"
    assert adapter_of({"kind": "http"}) == "http"
