"""What a test leaves behind: threads, processes and connections that were not there before it."""

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.proc import Process, descendants, own_children

# What a test ends, it waits for. This is only what the kernel takes to clear away what has ended.
GONE_WITHIN_S = 0.1
LOOK_EVERY_S = 0.01


@dataclass(frozen=True)
class Living:
    threads: frozenset[threading.Thread]
    processes: frozenset[tuple[int, int]]
    sockets: frozenset[str]


# Processes that outlive a test on purpose: the servers of the session, with all that they start.
staying: set[int] = set()


def children() -> list[Process]:
    """What lives below us. Usually nothing does, and then the kernel's own list saves reading the whole table."""
    if not own_children() - staying:
        return []
    return [process for process in descendants(os.getpid(), frozenset(staying)) if not process.is_zombie]


def living() -> Living:
    return Living(
        frozenset(threading.enumerate()),
        frozenset((process.pid, process.started) for process in children()),
        frozenset(sockets()),
    )


def new_threads(before: Living) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in before.threads]


def new_processes(before: Living) -> list[Process]:
    return [process for process in children() if (process.pid, process.started) not in before.processes]


def sockets() -> dict[str, str]:
    """Each socket that this process holds, with its number: connections, listeners, event loops."""
    found: dict[str, str] = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            target = os.readlink(entry)
            if target.startswith("socket:"):
                found[target] = entry.name
    return found


def new_sockets(before: Living) -> list[str]:
    return [peer_of(int(number)) for name, number in sockets().items() if name not in before.sockets]


def peer_of(number: int) -> str:
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as found:
        return f"from {found.getsockname()} to {found.getpeername()}"
    return f"number {number}"


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fails when what ran inside left a thread, a process or a connection, and ends those processes."""
    before = living()
    yield
    end = time.monotonic() + GONE_WITHIN_S
    if new_sockets(before):
        gc.collect()
    while new_threads(before) or new_processes(before) or new_sockets(before):
        if time.monotonic() > end:
            break
        time.sleep(LOOK_EVERY_S)
    left = [f"thread {thread.name}" for thread in new_threads(before)]
    left += [f"process {process.pid}: {process.command}" for process in new_processes(before)]
    left += [f"connection {which}" for which in new_sockets(before)]
    for process in new_processes(before):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    bury()
    assert not left, "left behind:\n" + "\n".join(left)


def bury() -> None:
    """Takes the exit status of orphans that came to us; nobody else will."""
    for pid in own_children() - staying:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
