"""A sign of life for whoever watches over one process: a file that is touched, and the look at its age.

Not a question to Postgres or Redis: while those are away, processes that wait for them are well, and to start them
again would end what runs.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from shared.clock import now

# Beat touches it at least every few seconds, a keeper so often, however long its lease.
OLDEST_S = 60.0
TOUCH_EVERY_S = 15.0


def touch() -> None:
    """Touches the file that SLOTBEAT_PULSE_FILE names, if it names one."""
    path = os.environ.get("SLOTBEAT_PULSE_FILE")
    if path:
        with suppress(OSError):
            Path(path).touch()


def age_s() -> float | None:
    """How old the last sign is; None where there never was one."""
    try:
        return now().timestamp() - Path(os.environ["SLOTBEAT_PULSE_FILE"]).stat().st_mtime
    except (OSError, KeyError):
        return None


def main() -> int:
    """0 where the process gave a sign lately; what a container's health check runs."""
    age = age_s()
    if age is not None and age < OLDEST_S:
        return 0
    print("no sign of life yet" if age is None else f"no sign of life for {age:.0f} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
