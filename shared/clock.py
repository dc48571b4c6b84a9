"""The only place that reads a clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """This host's wall clock, for log lines and the age of a page; it decides nothing (Postgres's does)."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds that only move forward, for measuring durations inside one process."""
    return time.monotonic()


def boottime() -> float:
    """Seconds since boot, suspension included: the clock of a guard's deadline (CLOCK_BOOTTIME)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
