"""IANA time zones: which names are accepted, and when a zone's clock is changed."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from shared.rules.refused import RefusedValueError
from shared.rules.text import one_line

LONGEST_NAME = 64
PROBE_MINUTES = 12 * 60  # no zone has ever been changed twice within twelve hours
LOOK_AROUND_MINUTES = 3 * 24 * 60  # more than the longest change there was: a whole day
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What some systems offer beside the zones: the host's own, a placeholder, and zones with leap seconds.
_NOT_ZONES = re.compile(r"localtime|posixrules|factory|leapseconds|tzdata.*|(right|posix)/.*", re.IGNORECASE)
_OFFSET = re.compile(r"(?:utc|gmt)?\s*([+-])\s*([0-9]{1,2})(?::?(00))?", re.IGNORECASE)


class BadZone(RefusedValueError):
    """A time zone's name that is not accepted; the message names a correct one."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a zone's time with one offset from UTC, in minutes since 1970: start <= minute < end.

    `fresh` is the local minute up to which wall clocks had already come when it began: more than
    start + offset if the clock was put back (what is between is repeated), less if it was put forward (what
    is between does not exist).
    """

    start: int
    end: int
    offset: int
    fresh: int


def canonical_zone(name: str) -> str:
    """The zone's name as IANA writes it, from any case (`europe/paris`); BadZone for anything else."""
    if not isinstance(name, str) or not name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _refusal("timezone_empty", "is empty")
    shown = one_line(name, LONGEST_NAME)
    if _NOT_ZONES.fullmatch(name):
        raise _refusal("timezone_unsupported", f"'{shown}' is no place's zone")
    found = _names().get(name.casefold()) if name.isascii() and len(name) <= LONGEST_NAME else None
    if found:
        return found
    offset = _OFFSET.fullmatch(name)
    if offset:
        raise _refusal("timezone_offset", f"'{shown}' is an offset, which knows no summer time", _fixed(offset))
    raise _refusal("timezone_unknown", f"'{shown}' is not known")


def parse_zone(name: str) -> ZoneInfo:
    """The zone of that name, from any case; BadZone if there is none or it is not accepted."""
    return ZoneInfo(canonical_zone(name))


def is_known(name: str) -> bool:
    """Whether this machine knows a zone that was stored: perhaps by another, with newer or older data of zones."""
    return name.casefold() in _names()


def zone_or_utc(name: str) -> ZoneInfo:
    """A stored zone, to show times by and to count days in; UTC where it is not known here."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def span_at(zone: ZoneInfo, minute: int) -> Span:
    """The span that a UTC minute (since 1970) lies in; it may be cut at the ends of its UTC year."""
    spans = _spans(zone, (EPOCH + timedelta(minutes=minute)).year)
    return spans[bisect_right(spans, minute, key=_start_of) - 1]


def _refusal(code: str, what: str, instead: str = "Europe/Berlin or UTC") -> BadZone:
    return BadZone("timezone", code, f"The time zone {what}. Use an IANA name, for example {instead}.")


def _fixed(offset: re.Match[str]) -> str:
    hours = int(offset[2])
    if hours == 0:
        return "UTC"
    sign = "-" if offset[1] == "+" else "+"  # POSIX counts westwards: Etc/GMT-2 is two hours ahead of UTC
    name = _names().get(f"etc/gmt{sign}{hours}")
    return f"Europe/Berlin, or {name} for that offset all year" if name else "Europe/Berlin"


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones() if not _NOT_ZONES.fullmatch(name)}


def _start_of(span: Span) -> int:
    return span.start


@lru_cache(maxsize=8192)
def _spans(zone: ZoneInfo, year: int) -> tuple[Span, ...]:
    """The spans of one UTC year, cut at its ends."""
    first, end = _minute_of(year), _minute_of(year + 1)
    begin = first - LOOK_AROUND_MINUTES
    changes = [begin, *_changes(zone, begin, end), end]
    spans: list[Span] = []
    fresh = begin + _offset(zone, begin)
    for start, stop in pairwise(changes):
        offset = _offset(zone, start)
        if stop > first:
            spans.append(_cut(Span(start, stop, offset, fresh), first))
        fresh = stop + offset
    return tuple(spans)


def _cut(span: Span, first: int) -> Span:
    """The span without what lies before `first`."""
    if span.start >= first:
        return span
    return Span(first, span.end, span.offset, max(span.fresh, first + span.offset))


def _changes(zone: ZoneInfo, begin: int, end: int) -> list[int]:
    """The minutes at which the offset becomes another one, in begin < minute < end."""
    found: list[int] = []
    for low in range(begin, end - 1, PROBE_MINUTES):
        high = min(low + PROBE_MINUTES, end - 1)
        before = _offset(zone, low)
        if before != _offset(zone, high):
            found.append(_change_between(zone, low, high))
    return found


def _change_between(zone: ZoneInfo, low: int, high: int) -> int:
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _minute_of(year: int) -> int:
    return int((datetime(year, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) // 60


def _offset(zone: ZoneInfo, minute: int) -> int:
    """Minutes ahead of UTC; before about 1972 some zones had seconds, which are dropped."""
    ahead = (EPOCH + timedelta(minutes=minute)).astimezone(zone).utcoffset()
    return int(ahead.total_seconds()) // 60 if ahead else 0
