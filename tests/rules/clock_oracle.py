"""An independent, slow answer to when a cron expression runs: it looks at each minute of the real clock.

It shares no code with the rules: croniter's sets, the calendar, and `datetime` in the zone.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from croniter import croniter

MINUTE = timedelta(minutes=1)


def runs(text: str, zone: tzinfo, start: datetime, end: datetime) -> list[datetime]:
    """Every moment of start <= moment < end at which the expression runs, in UTC."""
    sets: list[Sequence[object]] = list(croniter.expand(text)[0])
    hour_field = text.split()[1]
    every_hour = sets[1] == ["*"]
    both = every_hour or hour_field.startswith("*")
    found: list[datetime] = []
    seen: set[datetime] = set()
    moment = start - timedelta(days=2)
    before = local(moment - MINUTE, zone)
    while moment < end:
        wall = local(moment, zone)
        skipped = [before + MINUTE * n for n in range(1, int((wall - before) / MINUTE))]
        after_gap = not every_hour and any(matches(sets, text, gone) for gone in skipped)
        if after_gap or (matches(sets, text, wall) and (both or wall not in seen)):
            found.append(moment)
        seen.add(wall)
        before, moment = wall, moment + MINUTE
    return [moment for moment in found if moment >= start]


def local(moment: datetime, zone: tzinfo) -> datetime:
    """What the wall clock shows, without its offset."""
    return moment.astimezone(zone).replace(tzinfo=None)


def matches(sets: list[Sequence[object]], text: str, wall: datetime) -> bool:
    """Whether the five fields name this minute; plain fields only, no L, W, #."""
    minute, hour, dates, months, weekdays = sets
    if not (has(minute, wall.minute) and has(hour, wall.hour) and has(months, wall.month)):
        return False
    by_date, by_weekday = has(dates, wall.day), has(weekdays, wall.isoweekday() % 7)
    fields = text.split()
    if fields[2] != "*" and fields[4] != "*":
        return by_date or by_weekday
    return by_date and by_weekday


def has(values: Sequence[object], value: int) -> bool:
    """Whether a field's expanded values hold this one."""
    return "*" in values or value in values


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The UTC hours of a year after which the zone's offset is another one."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    hours = (date(year + 1, 1, 1) - date(year, 1, 1)).days * 24
    offsets = [(start + timedelta(hours=n)).astimezone(zone).utcoffset() for n in range(hours + 1)]
    return [start + timedelta(hours=n) for n in range(hours) if offsets[n] != offsets[n + 1]]
