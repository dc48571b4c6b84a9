"""What a test leaves behind: threads and processes that were not there before it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.proc import Process, descendants

# Ending takes a moment: a thread that was told to stop, a process whose parent was killed.
GONE_WITHIN_S = 3.0
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class Living:
    threads: frozenset[threading.Thread]
    processes: frozenset[tuple[int, int]]


# Processes that outlive a test on purpose: the servers of the session, with all that they start.
staying: set[int] = set()


def children() -> list[Process]:
    return [process for process in descendants(os.getpid(), frozenset(staying)) if not process.is_zombie]


def living() -> Living:
    return Living(
        frozenset(threading.enumerate()),
        frozenset((process.pid, process.started) for process in children()),
    )


def new_threads(before: Living) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in before.threads]


def new_processes(before: Living) -> list[Process]:
    return [process for process in children() if (process.pid, process.started) not in before.processes]


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fails when what ran inside left a thread or a process, and ends those processes."""
    before = living()
    yield
    end = time.monotonic() + GONE_WITHIN_S
    while new_threads(before) or new_processes(before):
        if time.monotonic() > end:
            break
        time.sleep(LOOK_EVERY_S)
    left = [f"thread {thread.name}" for thread in new_threads(before)]
    left += [f"process {process.pid}: {process.command}" for process in new_processes(before)]
    for process in new_processes(before):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    bury()
    assert not left, "left behind:\n" + "\n".join(left)


def bury() -> None:
    """Takes the exit status of orphans that came to us; nobody else will."""
    for process in descendants(os.getpid(), frozenset(staying)):
        if process.is_zombie and process.parent == os.getpid():
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
