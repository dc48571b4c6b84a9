"""Celery's command with two weaknesses that faults can use: a wall clock that jumps, a main loop that stops.

`python -m tests.chaos.frail FILE celery -A workers worker ...`: FILE holds the seconds by which this process and
the children that it forks see the wall clock wrong, read again at each look.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery.__main__ import main as celery
from celery.worker.control import control_command

_true = time.time_ns  # noqa: TID251 the very clock that must not matter


def wrong_by_ns(file: Path) -> int:
    """What the file says; while it is being written, nothing."""
    try:
        return round(float(file.read_text()) * 1e9)
    except (OSError, ValueError):
        return 0


def jump_with(file: Path) -> None:
    """From now on Python code in this process sees the wall clock wrong by what the file says."""
    time.time = lambda: (_true() + wrong_by_ns(file)) / 1e9  # noqa: TID251
    time.time_ns = lambda: _true() + wrong_by_ns(file)  # noqa: TID251


@control_command()
def stop_turning(state: Any) -> None:
    """Never returns to the main loop."""
    threading.Event().wait()


if __name__ == "__main__":
    jump_with(Path(sys.argv[1]))
    sys.argv = sys.argv[2:]
    celery()
