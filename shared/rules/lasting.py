"""Durations in words, and how far a moment is."""

from datetime import datetime

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400
_SHOWN_AS_SECONDS = 10


def lasting(seconds: float) -> str:
    """A duration by its two largest units: '0.4 s', '42 s', '3 min 20 s', '2 h 5 min', '4 d 3 h'."""
    if seconds < _SHOWN_AS_SECONDS and round(seconds, 1) != round(seconds):
        return f"{max(seconds, 0):.1f} s"
    whole = max(round(seconds), 0)
    for unit, name, smaller, its_name in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", SECOND, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {its_name}" if rest else "")
    return f"{whole} s"


def roughly(seconds: float) -> str:
    """A duration by its largest unit, as one says it: 'now' below a second, '40 s', '4 min', '2 h', '3 d'."""
    whole = round(seconds)
    if whole < 1:
        return "now"
    # What would be said as 120 minutes is said as two hours.
    hours, days = 2 * HOUR - MINUTE // 2, 2 * DAY - HOUR // 2
    for unit, name, least in ((DAY, "d", days), (HOUR, "h", hours), (MINUTE, "min", MINUTE)):
        if whole >= least:
            # Halves go up, all of them: of 2.5 and 3.5 minutes `round` makes 2 and 4.
            return f"{(whole + unit // 2) // unit} {name}"
    return lasting(whole)


def when(moment: datetime, now: datetime) -> str:
    """How long ago, or in how long: '3 min ago', 'now', 'in 40 s'."""
    seconds = (moment - now).total_seconds()
    told = roughly(abs(seconds))
    if told == "now":
        return told
    return f"in {told}" if seconds > 0 else f"{told} ago"
