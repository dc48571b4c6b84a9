"""An independent, slow answer to when a cron expression runs: it looks at each minute of the real clock.

It shares no code with the rules: croniter's sets, the calendar, and `datetime` in the zone.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import croniter

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class Minute(NamedTuple):
    """One minute of the real clock: what the wall shows, what it leapt over, whether it has shown it before."""

    moment: datetime
    wall: datetime
    skipped: list[datetime]
    is_repeated: bool


def runs(text: str, zone: tzinfo, start: datetime, end: datetime) -> list[datetime]:
    """Every moment of start <= moment < end at which the expression runs, in UTC."""
    sets: list[Sequence[object]] = list(croniter.expand(text)[0])
    is_named = named(sets, text)
    hour_field = text.split()[1]
    every_hour = sets[1] == ["*"]
    both = every_hour or hour_field.startswith("*")
    first = start.astimezone(UTC).date()
    found: list[datetime] = []
    for day in range((end - start).days + 2):
        for moment, wall, skipped, is_repeated in minutes_of(zone, first + day * DAY):
            after_gap = bool(skipped) and not every_hour and any(map(is_named, skipped))
            if after_gap or (is_named(wall) and (both or not is_repeated)):
                found.append(moment)
    return [moment for moment in found if start <= moment < end]


@cache
def minutes_of(zone: tzinfo, day: date) -> list[Minute]:
    """Each minute of a day of UTC, known once for all expressions; it looks back two days for what comes again."""
    found: list[Minute] = []
    seen: set[datetime] = set()
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - 2 * DAY
    before = local(moment - MINUTE, zone)
    for _ in range(3 * 24 * 60):
        wall = local(moment, zone)
        skipped = [before + MINUTE * n for n in range(1, int((wall - before) / MINUTE))]
        found.append(Minute(moment, wall, skipped, wall in seen))
        seen.add(wall)
        before, moment = wall, moment + MINUTE
    return found[-24 * 60 :]


def local(moment: datetime, zone: tzinfo) -> datetime:
    """What the wall clock shows, without its offset."""
    return moment.astimezone(zone).replace(tzinfo=None)


def named(sets: list[Sequence[object]], text: str) -> Callable[[datetime], bool]:
    """Whether the five fields name a minute; plain fields only, no L, W, #."""
    minutes, hours, dates, months, weekdays = (frozenset(range(60)) if "*" in it else frozenset(it) for it in sets)
    fields = text.split()
    either = fields[2] != "*" and fields[4] != "*"

    def is_named(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        by_date, by_weekday = wall.day in dates, wall.isoweekday() % 7 in weekdays
        return by_date or by_weekday if either else by_date and by_weekday

    return is_named


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The UTC hours of a year after which the zone's offset is another one."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    hours = (date(year + 1, 1, 1) - date(year, 1, 1)).days * 24
    offsets = [(start + timedelta(hours=n)).astimezone(zone).utcoffset() for n in range(hours + 1)]
    return [start + timedelta(hours=n) for n in range(hours) if offsets[n] != offsets[n + 1]]
