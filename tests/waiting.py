"""Waiting for a condition, which is what a test does instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

LOOK_EVERY_S = 0.02
# Only a test that fails waits for so long; a machine may be shared with others that have a lot to do.
PATIENCE_S = 40.0


def until(condition: Callable[[], Seen], timeout_s: float = PATIENCE_S) -> Seen:
    """The first true value of `condition()`; fails the test when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > end:
            what = getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"waited {timeout_s} s in vain for {what}; the last answer was {seen!r}")
        time.sleep(LOOK_EVERY_S)
