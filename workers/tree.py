"""Finding every process below one, and surely ending them: stop all, kill all, repeat."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

# Every guard imports this, and must start in milliseconds: standard library only, without its heavy parts.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
# A process that renews itself for ever must not keep one round for ever: the next goes on with it.
_PASSES = 50
_LOOK_S = 0.002
_LOOKS = 5_000


class Seen:
    """One line of /proc/PID/stat, as far as it matters here."""

    __slots__ = ("parent", "session", "start", "state", "threads")

    def __init__(self, fields: list[bytes]) -> None:
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.session = int(fields[3])
        self.threads = int(fields[17])
        self.start = int(fields[19])

    def alive(self) -> bool:
        # A leader that left its threads behind looks like a zombie, and still executes.
        return self.state not in "ZX" or self.threads > 1


def prctl(option: int, value: int) -> bool:
    """Whether the kernel did it; False where there is no such call."""
    if sys.platform != "linux":
        return False
    return ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0


def become_subreaper() -> bool:
    """From now on, orphans below this process become its children, instead of init's."""
    return prctl(_PR_SET_CHILD_SUBREAPER, 1)


def support() -> str:
    """How surely this system lets a tree be ended: 'subreaper', or only 'process group'."""
    if sys.platform != "linux" or not os.path.isdir("/proc/self/task"):
        return "process group"
    answer = ctypes.c_int()
    asked = ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return "subreaper" if asked == 0 else "process group"


def look(pid: int) -> Seen | None:
    """What the kernel says of a process; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read()
    except OSError:
        return None
    # The command's name may hold spaces and parentheses: only what follows the last one is fields.
    return Seen(line[line.rindex(b")") + 2 :].split())


def children(pid: int) -> list[int]:
    """Those whose parent is any thread of `pid`, the dead but unburied included."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found += [int(child) for child in _all_of(file.fileno()).split()]
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{thread}"):
                return _children_by_scan(pid)
        except OSError:
            continue
    return found


def _all_of(file: int) -> bytes:
    data = b""
    while more := os.read(file, 65_536):
        data += more
    return data


def _children_by_scan(pid: int) -> list[int]:
    """For kernels built without the list of children (CONFIG_PROC_CHILDREN)."""
    return [other for other in everyone() if (seen := look(other)) is not None and seen.parent == pid]


def everyone() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _nobody(_: int) -> bool:
    return False


def descendants(pid: int, spare: Callable[[int], bool] = _nobody) -> set[int]:
    """Everything below `pid`, but not those whom `spare` names, nor what is below them."""
    found: set[int] = set()
    line = [pid]
    while line:
        for child in children(line.pop()):
            if child not in found and not spare(child):
                found.add(child)
                line.append(child)
    return found


def _send(pid: int, number: int, within: set[int]) -> None:
    """A signal to `pid`, only while its parent is one of `within`.

    A number read from /proc may belong to a stranger by the time of the signal, the more so when this
    process was itself stopped in between. The handle is opened first, then looked at: it cannot change hands.
    """
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        seen = look(pid)
        if seen is not None and seen.parent in within:
            signal.pidfd_send_signal(handle, number)
    except OSError:
        pass  # gone, or not ours to signal: the caller looks again
    finally:
        os.close(handle)


def end_round(root: int, spare: Callable[[int], bool] = _nobody) -> set[int]:
    """One round below `root`: stop until nobody new appears, then kill; answers whom it met.

    Stopping first is what beats a process that forks faster than it can be killed: who is stopped has no
    more children, and a fork that meets a pending signal starts over.
    """
    met: set[int] = set()
    for _ in range(_PASSES):
        fresh = descendants(root, spare) - met
        if not fresh:
            break
        met |= fresh
        for pid in fresh:
            _send(pid, signal.SIGSTOP, met | {root})
    for pid in met:
        _send(pid, signal.SIGKILL, met | {root})
    return met


def _living(pids: set[int]) -> bool:
    return any((seen := look(pid)) is not None and seen.alive() for pid in pids)


def end_below(root: int, spare: Callable[[int], bool] = _nobody) -> bool:
    """Whether nothing below `root` lives any more; gives up after some ten seconds."""
    clean = 0
    for _ in range(_LOOKS):
        met = end_round(root, spare)
        if root == os.getpid():
            _bury(met)
        # Twice, for a thread of the root may have been in the middle of a fork.
        clean = 0 if _living(met) else clean + 1
        if clean == 2:
            return True
        time.sleep(_LOOK_S)
    return False


def _bury(met: set[int]) -> None:
    """Take the exit of those who were left to us, each by its number: nobody else's child is touched.

    At once, for a process that renews itself leaves one dead a generation, and soon there is no end to them.
    """
    for pid in met:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def end_tree(root: int, include_root: bool, start: int | None = None) -> bool:
    """Whether `root` (if included) and everything below it are gone.

    `start` is the start time `root` was known by: another process that has its number now is left alone.
    """
    if not include_root:
        return end_below(root)
    try:
        handle = os.pidfd_open(root)
    except OSError:
        return True
    try:
        seen = look(root)
        if seen is None or (start is not None and seen.start != start):
            return True
        return _end_with_root(root, handle)
    except PermissionError:
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)


def _end_with_root(root: int, handle: int) -> bool:
    """The root is stopped first and killed last: were it gone earlier, its orphans would leave the tree."""
    signal.pidfd_send_signal(handle, signal.SIGSTOP)
    below = end_below(root)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    for _ in range(_LOOKS):
        if not _living({root}):
            return below
        time.sleep(_LOOK_S)
    return False
