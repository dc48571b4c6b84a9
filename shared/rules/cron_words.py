"""A cron expression in words, for people who check that it says what they mean."""

import re
from collections.abc import Callable, Sequence

from shared.rules.cron import ALIASES, Cron

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_MONTHS = tuple(it[:3].lower() for it in _MONTHS)
_SHORT_DAYS = tuple(it[:3].lower() for it in _DAYS[:7])
_ORDER = ("", "first", "second", "third", "fourth", "fifth")
_SHOWN_TIMES = 4


def describe(cron: Cron) -> str:
    """The expression in words, without its zone."""
    minute, hour, date, month, weekday = ALIASES.get(cron.text, cron.text).split(" ")
    when = [_time(minute, hour), _day(date, weekday)]
    if month != "*":
        when.append(f"in {_list(month, _month)}")
    return " ".join(it for it in when if it)


def _time(minute: str, hour: str) -> str:
    minutes, hours = _numbers(minute), _numbers(hour)
    if minutes and hours and len(minutes) * len(hours) <= _SHOWN_TIMES:
        return "at " + _and([f"{h:02}:{m:02}" for h in hours for m in minutes])
    if hour == "*":
        every = re.fullmatch(r"\*(?:/(\d+))?", minute)
        if every:
            return f"every {every[1]} minutes" if every[1] and every[1] != "1" else "every minute"
        return f"at {_minutes(minute)} of every hour"
    every = re.fullmatch(r"\*/(\d+)", hour)
    hours_told = f"every {every[1]} hours" if every else f"of {_plural('hour', hour)} {_list(hour, str)}"
    first = "every minute" if minute == "*" else f"at {_minutes(minute)}"
    return f"{first} {hours_told}"


def _minutes(field: str) -> str:
    every = re.fullmatch(r"\*/(\d+)", field)
    return f"every {every[1]} minutes" if every else f"{_plural('minute', field)} {_list(field, str)}"


def _day(date: str, weekday: str) -> str:
    dates = "" if date == "*" else "on " + _list(date, _date)
    weekdays = "" if weekday == "*" else "on " + _list(weekday, _weekday)
    return " or ".join(it for it in (dates, weekdays) if it)


def _date(text: str) -> str:
    if text == "L":
        return "the last day of the month"
    return f"the weekday nearest day {text[:-1]}" if text.endswith("W") else f"day {text} of the month"


def _weekday(text: str) -> str:
    if text.startswith("L"):
        return f"the last {_DAYS[int(text[1:])]} of the month"
    day, _, place = text.partition("#")
    name = _DAYS[int(day) if day.isdigit() else _SHORT_DAYS.index(day)]
    return f"the {_ORDER[int(place)]} {name} of the month" if place else name


def _month(text: str) -> str:
    return _MONTHS[int(text) - 1 if text.isdigit() else _SHORT_MONTHS.index(text)]


def _list(field: str, name: Callable[[str], str]) -> str:
    return _and([_part(it, name) for it in field.split(",")])


def _part(part: str, name: Callable[[str], str]) -> str:
    span, _, step = part.partition("/")
    low, _, high = span.partition("-")
    told = "all" if span == "*" else f"{name(low)} to {name(high)}" if high else name(low)
    if step and not high and span != "*":
        told = f"{told} and later"
    return f"each {_nth(int(step))} of {told}" if step else told


def _nth(number: int) -> str:
    return _ORDER[number] if number < len(_ORDER) else f"{number}th"


def _numbers(field: str) -> list[int]:
    return sorted({int(it) for it in field.split(",")}) if re.fullmatch(r"[\d,]+", field) else []


def _plural(word: str, field: str) -> str:
    return word if field.isdigit() else f"{word}s"


def _and(them: Sequence[str]) -> str:
    return them[0] if len(them) == 1 else f"{', '.join(them[:-1])} and {them[-1]}"
