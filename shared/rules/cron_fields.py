"""The five fields of a cron expression: what each may say, told to whoever wrote something else."""

import re
from dataclasses import dataclass
from typing import NoReturn

from shared.rules.refused import RefusedValueError
from shared.rules.text import one_line

ECHOED_CHARACTERS = 40


class BadCron(RefusedValueError):
    """A cron expression that is not accepted; the message names the field and gives a correct example."""


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five: its range, names and an example; `cyclic` ones may wrap, as in sat-mon."""

    name: str
    low: int
    high: int
    example: str
    names: tuple[str, ...] = ()
    extra: str = ""
    cyclic: bool = False

    @property
    def says(self) -> str:
        """The numbers it takes, for a message."""
        return f"{self.low} to {self.high}" + (f" or {self.names[0]} to {self.names[-1]}" if self.names else "")


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = (
    Field("minute", 0, 59, "0, 5-20 or */15"),
    Field("hour", 0, 23, "3, 9-17 or */2"),
    Field("day-of-month", 1, 31, "1, 1-7, L (the last day) or 15W (the weekday nearest the 15th)", extra="W"),
    Field("month", 1, 12, "1, jan-mar or */3", MONTHS, cyclic=True),
    Field("day-of-week", 0, 7, "mon-fri, 1,3, fri#2 (the second Friday) or L5 (the last)", WEEKDAYS, "#", True),
)

_VALUE = r"[0-9]{1,9}|[a-z]{3}"
_PLAIN = re.compile(rf"(?:(?P<star>\*)|(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?)(?:/(?P<step>[0-9]{{1,9}}))?")
_NEAREST = re.compile(r"(?P<day>[0-9]{1,2})w")
_NTH = re.compile(rf"(?P<day>{_VALUE})#[1-5]")
_LAST_WEEKDAY = re.compile(r"l(?P<day>[0-7])")


def canonical_field(field: Field, text: str) -> str:
    """The field as it is stored: names in lower case, L and W in upper, Sunday 0, `?` as `*`; or BadCron."""
    if text == "?" and field.extra:
        return "*"
    parts = [_canonical_part(field, part, alone="," not in text) for part in text.lower().split(",")]
    if field.extra == "#" and len({_is_nth(part) for part in parts}) > 1:
        _refuse(field, "cron_unsupported", f"'{_echo(text)}' mixes plain days with # or L days")
    return ",".join(parts)


def _canonical_part(field: Field, part: str, alone: bool) -> str:
    special = _special_part(field, part, alone)
    if special:
        return special
    found = _PLAIN.fullmatch(part)
    if not found:
        _refuse(field, "cron_syntax", f"'{_echo(part)}' is not understood")
    if found["star"] and not found["step"] and not alone:
        _refuse(field, "cron_syntax", "'*' stands alone, not in a list")
    _check_step(field, found["step"])
    if not found["low"]:
        return part
    low = _value(field, found["low"])
    if not found["high"]:
        return "0" if part == "7" and field.extra == "#" else part
    _check_order(field, (low, _value(field, found["high"])), part)
    return part


def _special_part(field: Field, part: str, alone: bool) -> str:
    """The part if it is one of L, 15W, fri#2 or L5 in a field that has them, else nothing."""
    if field.extra == "W":
        nearest = _NEAREST.fullmatch(part)
        if nearest and alone:
            return f"{_value(field, nearest['day'])}W"
        return "L" if part == "l" else ""
    if field.extra == "#":
        nth = _NTH.fullmatch(part)
        if nth:
            return part.replace("7#", "0#") if _value(field, nth["day"]) else part
        last = _LAST_WEEKDAY.fullmatch(part)
        return f"L{int(last['day']) % 7}" if last else ""
    return ""


def _is_nth(part: str) -> bool:
    return "#" in part or part.startswith("L")


def _value(field: Field, text: str) -> int:
    if text.isdigit():
        value = int(text)
    elif text in field.names:
        value = field.names.index(text) + field.low
    else:
        _refuse(field, "cron_syntax", f"'{_echo(text)}' is not a name it knows")
    if not field.low <= value <= field.high:
        _refuse(field, "cron_range", f"{value} is out of range")
    return value


def _check_step(field: Field, step: str | None) -> None:
    # A step as large as the field, such as */60, silently means "once": its writer meant something else.
    most = field.high - field.low if field.extra == "#" else field.high - field.low + 1
    if step is not None and not 1 <= int(step) < most:
        _refuse(field, "cron_step", f"a step of {int(step)} is out of range (1 to {most - 1})")


def _check_order(field: Field, ends: tuple[int, int], part: str) -> None:
    low, high = ends
    if low == high or ends == (7, 0):
        _refuse(field, "cron_range", f"'{_echo(part)}' begins where it ends; write one value")
    if low > high and not field.cyclic:
        both = f"{low}-{field.high},{field.low}-{high}"
        _refuse(field, "cron_range", f"'{_echo(part)}' runs backwards; write {both} to go past the end")
    if low > high and "/" in part:
        # croniter loses its count where such a range wraps: sat-mon/2 would be Saturday alone.
        _refuse(field, "cron_unsupported", f"'{_echo(part)}' wraps with a step; list its values instead")


def _refuse(field: Field, code: str, what: str) -> NoReturn:
    remedy = f"It takes {field.says}, for example {field.example}."
    raise BadCron("cron", code, f"The {field.name} field: {what}. {remedy}")


def _echo(text: str) -> str:
    return one_line(text, ECHOED_CHARACTERS)
