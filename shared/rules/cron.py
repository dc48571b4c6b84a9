"""Cron expressions in a time zone: parsing, the next and the last occurrence, counting (SCH-6).

Five fields or a named alias. A wall-clock time that does not exist runs at the first instant after the gap;
one that comes twice runs once, at the first, unless the hour field is `*` or `*/n`: such patterns mean
elapsed time and run in both hours. A pattern of every hour loses none to a gap: it gets no extra run there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from shared.rules import wall
from shared.rules.cron_fields import FIELDS, BadCron, canonical_field
from shared.rules.cron_pattern import pattern_of
from shared.rules.text import one_line
from shared.rules.zones import EPOCH, Span, span_at

LONGEST_TEXT = 256
SHOWN_CHARACTERS = 60
HOURS = 24
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EXAMPLE = "Write five fields (minute hour day-of-month month day-of-week), for example 30 9 * * mon-fri."
_FARTHEST_OFFSET = 2 * wall.DAY_MINUTES  # more than any zone is, or was, from UTC, with a change on top
_MINUTE = timedelta(minutes=1)
_FARTHEST_SHIFT = timedelta(hours=3)  # of a zone's time by new rules; what is farther off was written by hand
_LAST_MINUTE = (datetime(9990, 1, 1, tzinfo=UTC) - EPOCH) // _MINUTE  # short of what a datetime cannot say


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression; two with the same text are equal. `text` is normalised."""

    text: str
    pattern: wall.Wall = field(compare=False, repr=False)
    every_hour: bool = field(compare=False, repr=False)
    in_both_hours: bool = field(compare=False, repr=False)


def parse_cron(text: str) -> Cron:
    """The expression with single spaces; BadCron names the field and a correct example."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadCron("cron", "cron_empty", f"cron must be a text. {_EXAMPLE}")
    return _parse(text)


def next_after(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime:
    """The first occurrence strictly later than `after`, in UTC; memoised per minute of `after`.

    BadCron if there is none that a datetime could say.
    """
    return _next_memoised(cron, zone, _minute_at(after) + 1)


def last_until(cron: Cron, zone: ZoneInfo, moment: datetime, not_before: datetime) -> datetime | None:
    """The latest occurrence with not_before <= it <= moment, in UTC; None if there is none."""
    found = _last(cron, zone, _minute_at(moment), minute_from(not_before))
    return None if found is None else _moment(found)


def meant_by(cron: Cron, zone: ZoneInfo, moment: datetime) -> datetime:
    """When an occurrence comes that was computed for a moment, by the rules of its zone as they are now.

    It waits where rules that changed since would have it come too early: the nearest time that they name is later,
    within some hours. One that is late by them comes now; what was no occurrence by any rules stands for itself.
    """
    if zone.key == "UTC" or moment.second or moment.microsecond:
        return moment
    later = next_after(cron, zone, moment - _MINUTE)
    if later == moment or later - moment > _FARTHEST_SHIFT:
        return moment
    earlier = last_until(cron, zone, moment, moment - (later - moment))
    return later if earlier is None else moment


def count_between(cron: Cron, zone: ZoneInfo, first: datetime, last: datetime) -> int:
    """How many occurrences there are with first <= occurrence <= last, without visiting each."""
    total = 0
    minute, end = minute_from(first), _minute_at(last) + 1
    while minute < end:
        span = span_at(zone, minute)
        stop = min(span.end, end)
        total += wall.count(cron.pattern, _begin(cron, span, minute), stop + span.offset)
        if minute == span.start and _runs_after_gap(cron, span):
            total += wall.first_from(cron.pattern, span.start + span.offset) != span.start + span.offset
        minute = stop
    return total


def occurrences(cron: Cron, zone: ZoneInfo, start: datetime, end: datetime, limit: int) -> list[datetime]:
    """The occurrences with start <= occurrence <= end, oldest first, in UTC, at most `limit`."""
    return list(islice(_each(cron, zone, minute_from(start), _minute_at(end)), limit))


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of the zone's clock that an expression meets, and when it runs for it.

    In place of a time that does not exist, or (`twice`) at the first of two that read the same.
    """

    at: datetime
    twice: bool


def clock_changes(cron: Cron, zone: ZoneInfo, start: datetime, end: datetime) -> list[Changed]:
    """The changes of the zone's clock from start to end that move an occurrence, or that would run it twice."""
    found: list[Changed] = []
    minute, last = span_at(zone, minute_from(start)).end, _minute_at(end)
    while minute <= last:
        span = span_at(zone, minute)
        begins = span.start + span.offset
        if _runs_after_gap(cron, span):
            found.append(Changed(_moment(span.start), twice=False))
        elif not cron.in_both_hours and wall.count(cron.pattern, begins, span.fresh):
            first = wall.first_from(cron.pattern, begins) or begins
            before = span_at(zone, span.start - 1)
            found.append(Changed(_moment(first - before.offset), twice=True))
        minute = span.end
    return found


def _each(cron: Cron, zone: ZoneInfo, minute: int, last: int) -> Iterator[datetime]:
    while (found := _next(cron, zone, minute)) is not None and found <= last:
        yield _moment(found)
        minute = found + 1


@lru_cache(maxsize=65536)
def _next_memoised(cron: Cron, zone: ZoneInfo, minute: int) -> datetime:
    found = _next(cron, zone, minute)
    if found is None:
        raise BadCron("cron", "cron_never_fires", f"cron: '{cron.text}' has no further occurrence.")
    return _moment(found)


def _next(cron: Cron, zone: ZoneInfo, minute: int) -> int | None:
    """The first occurrence at or after a UTC minute."""
    while minute < _LAST_MINUTE:
        span = span_at(zone, minute)
        if minute == span.start and _runs_after_gap(cron, span):
            return minute
        found = wall.first_from(cron.pattern, _begin(cron, span, minute))
        if found is None:
            return None
        if found < span.end + span.offset:
            return found - span.offset
        # A clock put back at midnight repeats times of a day that is over: a pattern that runs in both must see it.
        minute = span.end if cron.in_both_hours else max(span.end, found - _FARTHEST_OFFSET)
    return None


def _last(cron: Cron, zone: ZoneInfo, minute: int, not_before: int) -> int | None:
    """The last occurrence at or before a UTC minute, at or after another."""
    while minute >= not_before:
        span = span_at(zone, minute)
        local = minute + span.offset
        found = wall.last_until(cron.pattern, local)
        if found is None:
            return None
        if found >= _begin(cron, span, span.start):
            return found - span.offset if found - span.offset >= not_before else None
        if _runs_after_gap(cron, span):
            return span.start if span.start >= not_before else None
        # Inside a repeated hour the span before has later wall clocks than this one: nothing to leap over.
        minute = span.start - 1 if local < span.fresh else min(span.start - 1, found + _FARTHEST_OFFSET)
    return None


def _begin(cron: Cron, span: Span, minute: int) -> int:
    """The wall clock at a UTC minute of the span, past what is repeated if the pattern runs but once."""
    local = minute + span.offset
    return local if cron.in_both_hours else max(local, span.fresh)


def _runs_after_gap(cron: Cron, span: Span) -> bool:
    """Whether the span begins with a clock put forward over a time that the pattern names."""
    starts = span.start + span.offset
    if cron.every_hour or span.fresh >= starts:
        return False
    found = wall.first_from(cron.pattern, span.fresh)
    return found is not None and found < starts


def _minute_at(moment: datetime) -> int:
    return (moment - EPOCH) // _MINUTE


def minute_from(moment: datetime) -> int:
    """The first full minute at or after a moment, counted since 1970."""
    return -((EPOCH - moment) // _MINUTE)


def _moment(minute: int) -> datetime:
    return EPOCH + timedelta(minutes=minute)


@lru_cache(maxsize=16384)
def _parse(text: str) -> Cron:
    plain = _plain(text)
    fields = ALIASES[plain] if plain.startswith("@") else _canonical(plain)
    pattern = pattern_of(fields)
    if wall.first_from(pattern, 0) is None:
        raise BadCron(
            "cron",
            "cron_never_fires",
            "The day-of-month and month fields: no such date exists, it would never fire."
            " For the last day of a month write L, for example 0 0 L * *.",
        )
    every_hour = len({minute // 60 for minute in pattern.minutes}) == HOURS
    shown = plain if plain.startswith("@") else fields
    return Cron(shown, pattern, every_hour, every_hour or fields.split()[1].startswith("*"))


def _plain(text: str) -> str:
    """The text with single spaces; an alias in lower case. BadCron if it is neither that nor five fields."""
    if len(text) > LONGEST_TEXT:
        raise BadCron("cron", "cron_too_long", f"cron: at most {LONGEST_TEXT} characters. {_EXAMPLE}")
    plain = " ".join(re.split("[ \t\r\n]+", text.strip(" \t\r\n")))
    problem = _problem(plain)
    if problem:
        code, what = problem
        raise BadCron("cron", code, f"cron: {what}. {_EXAMPLE}")
    return plain.lower() if plain.startswith("@") else plain


def _problem(plain: str) -> tuple[str, str] | None:
    if not plain:
        return "cron_empty", "is empty"
    shown = one_line(plain, SHOWN_CHARACTERS)
    if not plain.isascii() or not plain.isprintable():
        return "cron_characters", f"'{shown}' has characters that no field knows"
    if re.match(r"(cron_)?tz=", plain, re.IGNORECASE):
        return "cron_timezone", f"'{shown}' names a zone; put it into the field timezone instead"
    if plain.startswith("@"):
        known = ", ".join(ALIASES)
        return None if plain.lower() in ALIASES else ("cron_alias", f"'{shown}' is none of {known}")
    fields = len(plain.split(" "))
    if fields != len(FIELDS):
        return "cron_five_fields", f"'{shown}' has {fields} field{'s' * (fields > 1)}, not five"
    return None


def _canonical(plain: str) -> str:
    return " ".join(canonical_field(*pair) for pair in zip(FIELDS, plain.split(" "), strict=True))
