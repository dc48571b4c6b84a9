"""What whoever saves a schedule is told in the terminal: warnings, free offsets, what others like it take."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_SHOWN = 3


def advice(told: Mapping[str, Any]) -> Iterator[str]:
    """One line each."""
    for it in told["warnings"]:
        yield f"warning: {it['message'] if 'message' in it else _collision(it)}"
    if told["offsets"]:
        choices = (f"'{it['cron']}' ({it['turns']} turns)" for it in told["offsets"])
        yield f"  free instead: --cron {' or '.join(choices)}"
    hint = told["calibration"]
    if hint is not None:
        turns = f"{hint['median_turns']} turn{'s' * (hint['median_turns'] != 1)}"
        others = f"the median of {hint['schedules']} other schedule{'s' * (hint['schedules'] > 1)}"
        yield f"hint: a firing of adapter {hint['adapter']} takes {turns} ({others}); --max-turns is its budget"


def _collision(it: Mapping[str, Any]) -> str:
    names = [other["name"] for other in it["overlapping_schedules"]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    first = datetime.fromisoformat(it["buckets"][0])
    times = "" if len(it["buckets"]) == 1 else f", and in {len(it['buckets']) - 1} more spans of five minutes"
    return (
        f"about {it['estimated_concurrent_turns']} turns at once from {first:%a %H:%M}Z{times},"
        f" together with {', '.join(names[:_SHOWN])}{more}"
    )
