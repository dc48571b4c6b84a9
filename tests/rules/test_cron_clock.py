"""When cron expressions run on real clocks, above all around the changes to and from summer time (SCH-6)."""

import os
import random
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules import wall
from shared.rules.cron import count_between, last_until, next_after, occurrences, parse_cron
from shared.rules.cron_fields import BadCron
from tests.rules.clock_oracle import changes, runs

ZONES = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kolkata",
    "UTC",
]
INSTANT = timedelta(microseconds=1)
EARLY = datetime(1975, 1, 1)  # noqa: DTZ001 - Hypothesis adds the zone
LATE = datetime(2095, 1, 1)  # noqa: DTZ001

GOLDEN = [
    # In the gap: at the first instant after it, once.
    ("30 2 * * *", "America/New_York", "2026-03-08", ["03:00-0400"]),
    ("0,20,40 2 * * *", "America/New_York", "2026-03-08", ["03:00-0400"]),
    ("0 2,3 * * *", "America/New_York", "2026-03-08", ["03:00-0400"]),
    ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["03:00+0200"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["02:30+1100"]),
    ("30 0 * * *", "America/Santiago", "2026-09-06", ["01:00-0300"]),
    ("15 */12 * * *", "America/Santiago", "2026-09-06", ["01:00-0300", "12:15-0300"]),
    # Every hour: no hour is lost to a gap, so nothing runs in its place.
    ("30 * * * *", "America/Santiago", "2026-09-06", [f"{hour:02}:30-0300" for hour in range(1, 24)]),
    # Repeated: once, at the first, for a fixed time.
    ("30 1 * * *", "America/New_York", "2026-11-01", ["01:30-0400"]),
    ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["02:30+0200"]),
    ("*/30 2 * * *", "Europe/Berlin", "2026-10-25", ["02:00+0200", "02:30+0200"]),
    ("*/20 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["01:00+1100", "01:20+1100", "01:40+1100"]),
    ("30 23 * * *", "America/Santiago", "2026-04-04", ["23:30-0300"]),
    # Repeated: at every real hour for hourly and finer patterns.
    ("0 */2 * * *", "Europe/Berlin", "2026-10-25", ["00:00+0200", "02:00+0200", "02:00+0100"]),
    ("30 * * * *", "Europe/Berlin", "2026-10-25", ["00:30+0200", "01:30+0200", "02:30+0200", "02:30+0100"]),
    ("*/30 * * * *", "Australia/Lord_Howe", "2026-04-05", [
        "00:00+1100", "00:30+1100", "01:00+1100", "01:30+1100", "01:30+1030", "02:00+1030",
    ]),
    # No changes at all.
    ("30 2 * * *", "Asia/Kolkata", "2026-03-29", ["02:30+0530"]),
    ("30 2 * * *", "UTC", "2026-10-25", ["02:30+0000"]),
    # A day that Samoa did not have.
    ("0 12 30 12 *", "Pacific/Apia", "2011-12-31", ["00:00+1400"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "day", "expected"), GOLDEN)
def test_a_day_on_which_clocks_change_runs_as_promised(text, name, day, expected):
    zone = ZoneInfo(name)
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)

    found = occurrences(parse_cron(text), zone, midnight, midnight + timedelta(hours=23, minutes=59), 99)

    told = [moment.astimezone(zone).strftime("%H:%M%z") for moment in found]
    assert told[: len(expected)] == expected
    assert all(moment.tzinfo is UTC for moment in found)
    if "30 2 " in text or len(expected) == 1:
        assert told == expected


def test_an_hour_repeated_at_the_end_of_a_day_is_not_leapt_over_for_the_next_day_that_is_named():
    """In Santiago the last hour of that Saturday comes twice, and Sunday is not named."""
    zone = ZoneInfo("America/Santiago")
    first = datetime(2026, 4, 4, 23, 30, tzinfo=zone)

    assert next_after(parse_cron("30 * * * 6"), zone, first) == first.astimezone(UTC) + timedelta(hours=1)
    assert next_after(parse_cron("30 23 * * 6"), zone, first) == datetime(2026, 4, 11, 23, 30, tzinfo=zone)


def _field(choose: random.Random, low: int, high: int) -> str:
    a, b = sorted(choose.sample(range(low, high + 1), 2))
    values = sorted(choose.sample(range(low, high + 1), choose.randint(1, 3)))
    return choose.choice(
        ["*", f"*/{choose.randint(1, (high - low) // 2 + 1)}", f"{a}-{b}", str(a), ",".join(map(str, values))]
    )


def _expression(choose: random.Random) -> str:
    day, month, weekday = choose.choice([(0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1)])
    return " ".join(
        [
            _field(choose, 0, 59),
            choose.choice(["*", "*/2", "*/3", "1-3", "2", "0,2", "1", "0", "23", _field(choose, 0, 23)]),
            _field(choose, 1, 28) if day else "*",
            _field(choose, 1, 12) if month else "*",
            _field(choose, 0, 6) if weekday else "*",
        ]
    )


# In CI 2,004 expressions over six zones, in which cronsim is the second oracle.
MANY = 334 if os.environ.get("CI") == "true" else 60


@pytest.mark.parametrize("name", ZONES)
def test_the_rules_agree_with_a_brute_force_clock_around_every_change(name):
    seed = 20261120
    choose = random.Random(f"{seed} {name}")
    zone = ZoneInfo(name)
    middles = changes(zone, 2026) or [datetime(2026, 3, 1, tzinfo=UTC)]

    for number in range(MANY):
        text = _expression(choose)
        middle = choose.choice(middles) + timedelta(minutes=choose.randint(-600, 600))
        start, end = middle - timedelta(hours=30), middle + timedelta(hours=30)
        truth = runs(text, zone, start, end)
        told = f"seed {seed}, number {number}: {text!r} in {name} from {start}"
        _agrees(text, zone, (start, end), truth, told)


def _agrees(text, zone, span, truth, told):
    start, end = span
    cron = parse_cron(text)
    assert occurrences(cron, zone, start, end - INSTANT, 5000) == truth, told
    assert count_between(cron, zone, start, end - INSTANT) == len(truth), told
    for at in (0.1, 0.5, 0.77):
        probe = start + (end - start) * at
        before = [moment for moment in truth if moment <= probe]
        after = [moment for moment in truth if moment > probe]
        assert last_until(cron, zone, probe, start) == (before[-1] if before else None), told
        assert count_between(cron, zone, probe, end - INSTANT) == len([m for m in truth if m >= probe]), told
        if after:
            assert next_after(cron, zone, probe) == after[0], told


@pytest.mark.parametrize("name", ["America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("text", ["0 2 * * *", "*/10 1-2 * * *", "15 */2 * * 0", "30 1 1-7 * 0"])
def test_each_minute_around_a_change_is_counted_and_found_exactly(name, text):
    zone = ZoneInfo(name)
    cron = parse_cron(text)
    for change in changes(zone, 2026):
        start, end = change - timedelta(hours=3), change + timedelta(hours=3)
        truth = runs(text, zone, start, end)
        for minutes in range(361):
            probe = start + timedelta(minutes=minutes)
            before = [moment for moment in truth if moment <= probe]
            assert last_until(cron, zone, probe, start) == (before[-1] if before else None)
            assert count_between(cron, zone, start, probe) == len(before)


@settings(max_examples=60, deadline=None)
@given(
    text=st.sampled_from(["* * * * *", "*/7 3-9 * * 1-5", "0 0 29 2 *", "0 0 L * *", "30 2 15W * *", "@weekly"]),
    name=st.sampled_from(ZONES),
    after=st.datetimes(EARLY, LATE, timezones=st.just(UTC)),
)
def test_next_last_and_count_are_of_one_mind(text, name, after):
    cron, zone = parse_cron(text), ZoneInfo(name)

    following = next_after(cron, zone, after)

    assert following > after
    assert last_until(cron, zone, following, after) == following
    assert last_until(cron, zone, following - INSTANT, after + INSTANT) is None
    assert count_between(cron, zone, after + INSTANT, following) == 1
    ten = occurrences(cron, zone, following, following + timedelta(days=36500), 10)
    assert ten == sorted(set(ten))
    assert count_between(cron, zone, following, ten[-1]) == len(ten)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 L * *", ["01-31", "02-28", "03-31", "04-30"]),
        ("0 0 15,L * *", ["01-15", "01-31", "02-15", "02-28"]),
        ("0 0 * * L5", ["01-30", "02-27", "03-27", "04-24"]),
        ("0 0 * * 5#3", ["01-16", "02-20", "03-20", "04-17"]),
        ("0 0 * * 5#5", ["01-30", "05-29", "07-31", "10-30"]),
        ("0 0 * * sat#1,sun#2", ["01-03", "01-11", "02-07", "02-08"]),
        ("0 0 15W * *", ["01-15", "02-16", "03-16", "04-15"]),
        ("0 0 1W * *", ["01-01", "02-02", "03-02", "04-01"]),
        ("0 0 31W * *", ["01-30", "02-27", "03-31", "04-30"]),
        ("0 0 1W 8 *", ["08-03"]),
        ("0 0 31W 5 *", ["05-29"]),
        ("0 0 1 * 1#1", ["01-01", "01-05", "02-01", "02-02"]),
        ("0 0 31 2 1", ["02-02", "02-09", "02-16", "02-23"]),
        ("0 0 10 * 5", ["01-02", "01-09", "01-10", "01-16"]),
    ],
)
def test_days_are_those_that_a_calendar_shows(text, days):
    start = datetime(2026, 1, 1, tzinfo=UTC)

    found = occurrences(parse_cron(text), ZoneInfo("UTC"), start, start + timedelta(days=366), 4)

    assert [moment.strftime("%m-%d") for moment in found] == days


class Changed(tzinfo):
    """A zone whose clock is changed once: hours ahead of UTC before and from a moment on."""

    def __init__(self, at, before, after):
        self.at, self.before, self.after = at, timedelta(hours=before), timedelta(hours=after)

    def fromutc(self, dt):
        ahead = self.before if dt.replace(tzinfo=UTC) < self.at else self.after
        return (dt + ahead).replace(fold=int(ahead == self.after))

    def utcoffset(self, dt):
        return self.after if dt.fold else self.before

    def dst(self, dt):
        return None


@pytest.mark.parametrize("text", ["45 23 * * *", "15,45 0 * * *", "*/15 * * * *"])
@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1)])
@pytest.mark.parametrize("minutes", [-30, 0])
def test_a_change_at_the_turn_of_the_year_is_like_any_other(text, before, after, minutes):
    turn = datetime(2027, 1, 1, tzinfo=UTC)
    zone = Changed(turn + timedelta(minutes=minutes), before, after)
    span = turn - timedelta(hours=30), turn + timedelta(hours=30)

    _agrees(text, zone, span, runs(text, zone, *span), f"{text} {before} {after} {minutes}")


def test_a_leap_day_is_found_across_the_year_2100():
    found = occurrences(
        parse_cron("0 0 29 2 *"),
        ZoneInfo("UTC"),
        datetime(2095, 1, 1, tzinfo=UTC),
        datetime(2200, 1, 1, tzinfo=UTC),
        3,
    )

    assert [moment.year for moment in found] == [2096, 2104, 2108]


def test_a_moment_without_an_offset_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError):
        next_after(parse_cron("@daily"), ZoneInfo("UTC"), datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_end_of_all_time_is_told_and_not_an_overflow():
    with pytest.raises(BadCron, match="no further occurrence"):
        next_after(parse_cron("@daily"), ZoneInfo("UTC"), datetime.max.replace(tzinfo=UTC))


def test_a_year_of_minutes_is_counted_by_its_days(monkeypatch):
    calls = []
    count = wall.count
    monkeypatch.setattr(wall, "count", lambda *given: calls.append(given) or count(*given))
    start = datetime(2025, 11, 20, tzinfo=UTC)

    found = count_between(parse_cron("* * * * *"), ZoneInfo("Europe/Berlin"), start, start + timedelta(days=365))

    assert found == 365 * 24 * 60 + 1
    assert len(calls) < 10
