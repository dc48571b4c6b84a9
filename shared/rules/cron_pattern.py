"""The minutes and days that five checked fields name, as croniter expands them."""

import re
from typing import cast

from croniter import CroniterError, croniter

from shared.rules.cron_fields import BadCron
from shared.rules.wall import Days, Wall

MINUTES, HOURS, DATES, MONTHS, WEEKDAYS = range(5)
LAST_OF_MONTH = 0
ANY = "*"
_SPANS = (range(60), range(24), range(1, 32), range(1, 13), range(7))


def pattern_of(fields: str) -> Wall:
    """The pattern of five normalised fields; BadCron for what croniter still refuses.

    Only the sets come from croniter. Which days and minutes follow is counted here: croniter ignores a date
    beside `#`, and runs a fixed time twice when clocks go back.
    """
    try:
        # Its types say list[list[str]], with numbers in it.
        expanded, nth = cast("tuple[list[list[int | str]], dict[int, set[int | str]]]", croniter.expand(fields))
    except CroniterError as error:
        raise BadCron("cron", "cron_unsupported", f"cron: {error}. For example 0 9 * * fri#2.") from error
    hours = _numbers(expanded, HOURS)
    minutes = tuple(sorted(hour * 60 + minute for hour in hours for minute in _numbers(expanded, MINUTES)))
    return Wall(_days(fields, expanded, nth), minutes)


def _days(fields: str, expanded: list[list[int | str]], nth: dict[int, set[int | str]]) -> Days:
    date_field = fields.split(" ")[DATES]
    nearest = re.fullmatch("([0-9]+)W", date_field)
    by_date = not nearest and date_field != ANY
    by_weekday = not nth and fields.split(" ")[WEEKDAYS] != ANY
    return Days(
        months=_numbers(expanded, MONTHS),
        dates=_numbers(expanded, DATES) if by_date else frozenset(),
        nearest=int(nearest[1]) if nearest else None,
        weekdays=_numbers(expanded, WEEKDAYS) if by_weekday else frozenset(),
        nth=frozenset((day, 0 if n == "l" else int(n)) for day, places in nth.items() for n in places),
    )


def _numbers(expanded: list[list[int | str]], index: int) -> frozenset[int]:
    values = expanded[index]
    if ANY in values:
        return frozenset(_SPANS[index])
    return frozenset(LAST_OF_MONTH if value == "l" else int(value) for value in values)
