"""Says times, durations and counts in words."""

from datetime import datetime, timedelta
from functools import lru_cache

from shared.rules.cron import parse_cron
from shared.rules.cron_words import describe
from shared.rules.lasting import lasting, roughly
from shared.rules.refused import RefusedValueError
from shared.rules.text import one_line
from shared.rules.zones import zone_or_utc

# "Exit code 137: ", "Killed by SIGSEGV: ".
_LONGEST_ENDING = 24


def absolute(moment: datetime) -> str:
    """The moment with its zone, for a title: '2026-01-31 09:30:05 UTC'."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def in_zone(moment: datetime, zone: str) -> str:
    """The moment on the wall clock of a zone: 'Sat 31 Jan 2026, 09:30 CET'."""
    there = moment.astimezone(zone_or_utc(zone))
    return there.strftime("%a %d %b %Y, %H:%M" + (":%S" if there.second else "") + " %Z")


def clock(moment: datetime) -> str:
    """The time of day, to the second, in UTC."""
    return moment.strftime("%H:%M:%S")


def milliseconds(value: int | None) -> str:
    """A duration that may not be known."""
    return "–" if value is None else lasting(value / 1000)


def briefly(value: float) -> str:
    """A duration in ms that may be short: '5 ms', '2 s'."""
    return f"{value:.0f} ms" if value < 1000 else lasting(value / 1000)


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(length: timedelta) -> str:
    """A stretch of time as a label."""
    return roughly(length.total_seconds())


def brief_error(error: str | None, longest: int) -> str:
    """An error in one line: how it ended, and of what it said the last line, which is where programs say why."""
    lines = [it.strip() for it in (error or "").splitlines() if it.strip()]
    if not lines:
        return ""
    ended, colon, _ = lines[0].partition(": ")
    said = f"{ended}: {lines[-1]}" if len(lines) > 1 and colon and len(ended) <= _LONGEST_ENDING else lines[-1]
    return one_line(said, longest)


def usd(micros: int | None) -> str:
    """An amount of money."""
    return "–" if micros is None else f"{micros / 1_000_000:.2f} USD"


@lru_cache(maxsize=4096)
def cron(text: str) -> str:
    """A cron expression in words; as it stands, where it is none."""
    try:
        return describe(parse_cron(text))
    except RefusedValueError:
        return text
