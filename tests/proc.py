"""The processes of this machine, as the kernel lists them."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """One line of the process table. The start time tells a pid from its next user."""

    pid: int
    parent: int
    state: str
    started: int
    command: str

    @property
    def is_zombie(self) -> bool:
        return self.state in "ZX"


def adopt_orphans() -> None:
    """From now on, descendants that lose their parent become our children, so none can hide from us."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("this kernel knows no child subreaper")


def look_up(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    words = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), words or f"[{name}]")


def processes() -> list[Process]:
    found = (look_up(int(entry)) for entry in os.listdir("/proc") if entry.isdecimal())
    return [process for process in found if process is not None]


def own_children() -> set[int]:
    """Our children, the dead but unburied included, without reading of everybody else on the machine."""
    threads = (f"/proc/self/task/{thread}/children" for thread in os.listdir("/proc/self/task"))
    try:
        return {int(child) for thread in threads for child in Path(thread).read_text().split()}
    except FileNotFoundError:
        # A thread that has just ended, or a kernel that keeps no such list.
        return {process.pid for process in processes() if process.parent == os.getpid()}


def descendants(root: int, without: frozenset[int] = frozenset()) -> list[Process]:
    """Everything below `root`, except the trees that start at a pid in `without`."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    todo = [root]
    while todo:
        new = [child for child in children.get(todo.pop(), []) if child.pid not in without]
        found += new
        todo += [child.pid for child in new]
    return found


def is_alive(pid: int) -> bool:
    process = look_up(pid)
    return process is not None and not process.is_zombie
