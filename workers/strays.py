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
    """Those that carry this installation's mark, never another's, and have no living guard above them.

    A guard that has lost its worker is one too: it is about to end all that is below it, but if it was
    stopped, it never will.
    """
    ours = _with_ancestors(os.getpid())
    return [
        Stray(pid, seen.start)
        for pid in tree.everyone()
        if pid not in ours and _is_stray(pid, installation) and (seen := tree.look(pid)) and seen.alive()
    ]


def _is_stray(pid: int, installation: str) -> bool:
    if _is_guard(pid, installation):
        return not _has_its_worker(pid)
    return _carries(pid, installation) and not any(
        _is_guard(above, installation) and _has_its_worker(above) for above in _with_ancestors(pid)
    )


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


def has_guards(installation: str, parent: int) -> bool:
    """Whether a guard is left of a process, which may be dead: it may begin yet what it was ordered."""
    name = b"%d" % parent
    return any(_is_guard(pid, installation) and _told(pid)[3:4] == [name] for pid in tree.everyone())


def _told(pid: int) -> list[bytes]:
    """What a guard was told when made: mark, installation, control socket, parent. Nothing if it is none."""
    words = _read(pid, "cmdline").split(b"\0")
    mark = guard.MARK.encode()
    return words[words.index(mark) :][:4] if mark in words else []


def _is_guard(pid: int, installation: str) -> bool:
    return _told(pid)[1:2] == [installation.encode()]


def _has_its_worker(pid: int) -> bool:
    """Whether its parent is the one that it was told, by the numbers of where both live: a container has its own."""
    seen = tree.look(pid)
    if seen is None or not seen.alive():
        return False
    own, above = _numbers(pid), _numbers(seen.parent)
    return len(own) == len(above) and _told(pid)[3:4] == above[-1:]


def _numbers(pid: int) -> list[bytes]:
    """Its pids in each namespace that it is in: as we see it first, as it sees itself last."""
    lines = _read(pid, "status").splitlines()
    told = next((it for it in lines if it.startswith(b"NSpid:")), b"NSpid: %d" % pid)
    return told.split()[1:]


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
