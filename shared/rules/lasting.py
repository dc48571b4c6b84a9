"""A duration in words."""

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
