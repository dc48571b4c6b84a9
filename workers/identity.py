"""Who this worker is, so that nobody can be taken for it: node, boot, pid and the pid's start time."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from workers import tree


@dataclass(frozen=True)
class Worker:
    """A worker process (Celery's main process), and where its keeper listens."""

    id: str
    node: str
    boot_id: str
    pid: int
    pid_start: int
    keeper: str

    def facts(self) -> dict[str, Any]:
        """What an attempt's row keeps of it."""
        return dict(vars(self))


def this_worker(node: str | None = None) -> Worker:
    """The process that calls, as a worker; node is Celery's node name."""
    pid = os.getpid()
    seen = tree.look(pid)
    pid_start = 0 if seen is None else seen.start
    node = node or f"celery@{socket.gethostname()}"
    boot = boot_id()
    # An abstract socket has no file that a crash could leave behind, and no length of path to mind.
    keeper = f"@slotbeat-keeper-{uuid4().hex}"
    return Worker(f"{node}:{boot[:8]}:{pid}:{pid_start}", node, boot, pid, pid_start, keeper)


def boot_id() -> str:
    """The kernel's identity of this boot; pids and their start times mean something only within it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
