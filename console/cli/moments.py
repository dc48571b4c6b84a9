"""Moments as people say them: a time, or how long ago."""

import re
from datetime import timedelta

from shared import clock

_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,6}) ?(s|min|m|h|d)(?: ago)?")


def since(text: str) -> str:
    """The moment that was meant, as the API takes it; what is no span is left for the API to judge."""
    span = _AGO.fullmatch(text.strip())
    if span is None:
        return text
    return (clock.now() - timedelta(**{_UNITS[span[2]]: int(span[1])})).isoformat()
