"""Which minutes of a wall clock a cron expression names: arithmetic per day and month, no time zones.

A wall-clock minute is an int: minutes since midnight of 1970-01-01 on that clock.
"""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

DAY_MINUTES = 1440
EPOCH_DAY = date(1970, 1, 1).toordinal()
HORIZON_MONTHS = 12 * 60  # five Mondays in a February come up to 40 years apart, across a year 2100
FIRST_MONTH, LAST_MONTH = 12 * 2, 12 * 9998  # a year's room at both ends of what a datetime can say
SUNDAY, SATURDAY = 0, 6


@dataclass(frozen=True, slots=True)
class Days:
    """A rule for days: the union of its day-of-month and day-of-week parts if both are set.

    `dates`: days of the month, empty for any; 0 is the last day. `nearest`: the weekday nearest this day.
    `weekdays`: 0 is Sunday, empty for any. `nth`: (weekday, n-th of its month), n = 0 for the last.
    """

    months: frozenset[int]
    dates: frozenset[int] = frozenset()
    nearest: int | None = None
    weekdays: frozenset[int] = frozenset()
    nth: frozenset[tuple[int, int]] = frozenset()

    @property
    def by_date(self) -> bool:
        """Whether the day-of-month field restricts."""
        return bool(self.dates) or self.nearest is not None

    @property
    def by_weekday(self) -> bool:
        """Whether the day-of-week field restricts."""
        return bool(self.weekdays or self.nth)


@dataclass(frozen=True, slots=True)
class Wall:
    """The whole pattern: on these days, at these minutes of the day (sorted)."""

    days: Days
    minutes: tuple[int, ...]


def first_from(wall: Wall, moment: int) -> int | None:
    """The first minute named at or after `moment`; None if the pattern never comes within sixty years."""
    day, minute = divmod(moment, DAY_MINUTES)
    if minute > wall.minutes[-1]:
        day, minute = day + 1, 0
    found = _next_day(wall.days, day)
    if found is None:
        return None
    if found > day:
        minute = 0
    return found * DAY_MINUTES + wall.minutes[bisect_left(wall.minutes, minute)]


def last_until(wall: Wall, moment: int) -> int | None:
    """The last minute named at or before `moment`; None if there was none within sixty years."""
    day, minute = divmod(moment, DAY_MINUTES)
    if minute < wall.minutes[0]:
        day, minute = day - 1, DAY_MINUTES
    found = _previous_day(wall.days, day)
    if found is None:
        return None
    if found < day:
        minute = DAY_MINUTES
    return found * DAY_MINUTES + wall.minutes[bisect_right(wall.minutes, minute) - 1]


def count(wall: Wall, first: int, end: int) -> int:
    """How many minutes are named in first <= minute < end: by months and days, never one by one."""
    if first >= end:
        return 0
    (first_day, first_minute), (end_day, end_minute) = divmod(first, DAY_MINUTES), divmod(end, DAY_MINUTES)
    total = _count_days(wall.days, first_day, end_day) * len(wall.minutes)
    if _next_day(wall.days, first_day) == first_day:
        total -= bisect_left(wall.minutes, first_minute)
    if _next_day(wall.days, end_day) == end_day:
        total += bisect_left(wall.minutes, end_minute)
    return total


def _count_days(days: Days, first: int, end: int) -> int:
    """How many days are named in first <= day < end."""
    start, stop = _date(first), _date(end)
    total = -bisect_left(month_days(days, start.year, start.month), start.day)
    for index in range(_month_index(start), _month_index(stop)):
        total += len(month_days(days, *_year_month(index)))
    return total + bisect_left(month_days(days, stop.year, stop.month), stop.day)


def _next_day(days: Days, day: int) -> int | None:
    today = _date(day)
    start = _month_index(today)
    earliest = today.day
    for index in range(start, min(start + HORIZON_MONTHS, LAST_MONTH)):
        year, month = _year_month(index)
        found = month_days(days, year, month)
        place = bisect_left(found, earliest)
        if place < len(found):
            return _day(year, month, found[place])
        earliest = 1
    return None


def _previous_day(days: Days, day: int) -> int | None:
    today = _date(day)
    start = _month_index(today)
    latest = today.day
    for index in range(start, max(start - HORIZON_MONTHS, FIRST_MONTH), -1):
        year, month = _year_month(index)
        found = month_days(days, year, month)
        place = bisect_right(found, latest)
        if place:
            return _day(year, month, found[place - 1])
        latest = 31
    return None


def _date(day: int) -> date:
    return date.fromordinal(day + EPOCH_DAY)


def _day(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal() - EPOCH_DAY


def _month_index(day: date) -> int:
    return day.year * 12 + day.month - 1


def _year_month(index: int) -> tuple[int, int]:
    return index // 12, index % 12 + 1


@lru_cache(maxsize=65536)
def month_days(days: Days, year: int, month: int) -> tuple[int, ...]:
    """The days of one month that the rule names, in order."""
    if month not in days.months:
        return ()
    first_weekday, length = monthrange(year, month)  # 0 is Monday there
    return tuple(day for day in range(1, length + 1) if _names(days, day, length, (first_weekday + day) % 7))


def _names(days: Days, day: int, length: int, weekday: int) -> bool:
    by_date = day in days.dates or (day == length and 0 in days.dates)
    if days.nearest is not None:
        by_date = day == _nearest_weekday(min(days.nearest, length), length, (weekday - day) % 7)
    in_order = (weekday, (day + 6) // 7) in days.nth or (day + 7 > length and (weekday, 0) in days.nth)
    by_weekday = weekday in days.weekdays or in_order
    if days.by_date and days.by_weekday:
        return by_date or by_weekday
    return (by_date or not days.by_date) and (by_weekday or not days.by_weekday)


def _nearest_weekday(day: int, length: int, weekday_of_zeroth: int) -> int:
    """The Monday-to-Friday nearest to `day` within its month."""
    weekday = (weekday_of_zeroth + day) % 7
    if weekday == SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == SUNDAY:
        return day + 1 if day < length else day - 2
    return day
