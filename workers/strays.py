"""Payloads that nobody watches any more: found by what they carry, and ended when a worker starts."""

import os
from dataclasses import dataclass

from workers import guard, tree

_VARIABLE = b"SLOTBEAT_INSTALLATION="
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Stray:
    """A process without a living guard; the start time tells it from the next with its pid."""

    pid: int
    start: int


def strays(installation: str) -> list[Stray]:
    """Those that carry this installation's mark, never another's, and have no living guard above them."""
    ours = _with_ancestors(os.getpid())
    found: list[Stray] = []
    for pid in tree.everyone():
        if pid in ours or not _carries(pid, installation) or _is_guarded(pid, installation):
            continue
        seen = tree.look(pid)
        if seen is not None and seen.alive():
            found.append(Stray(pid, seen.start))
    return found


def end_strays(installation: str) -> int:
    """How many were met and ended; in rounds, for a stray's children may become strays as it ends."""
    met: set[Stray] = set()
    for _ in range(_ROUNDS):
        found = strays(installation)
        if not found:
            break
        met.update(found)
        for stray in found:
            tree.end_tree(stray.pid, include_root=True, start=stray.start)
    return len(met)


def is_guard(pid: int, installation: str) -> bool:
    """Whether it is a guard of this installation that still has the worker process it was made by.

    An orphaned guard is about to end all that is below it. If it is stopped it never will, so it counts as none.
    """
    words = _read(pid, "cmdline").split(b"\0")
    if guard.MARK.encode() not in words:
        return False
    _, its_installation, _, parent, *_ = words[words.index(guard.MARK.encode()) :] + [b""] * 3
    seen = tree.look(pid)
    return (
        seen is not None
        and seen.alive()
        and its_installation == installation.encode()
        and parent == str(seen.parent).encode()
    )


def _is_guarded(pid: int, installation: str) -> bool:
    return any(is_guard(above, installation) for above in _with_ancestors(pid) - {pid})


def _carries(pid: int, installation: str) -> bool:
    return _VARIABLE + installation.encode() in _read(pid, "environ").split(b"\0")


def _with_ancestors(pid: int) -> set[int]:
    line: set[int] = set()
    while pid > 0 and pid not in line:
        line.add(pid)
        seen = tree.look(pid)
        pid = 0 if seen is None else seen.parent
    return line


def _read(pid: int, name: str) -> bytes:
    """Empty for a process that is gone, or another user's."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""
