"""Who this worker is, so that nobody can be taken for it: node, boot, pid, where that counts, and its start time."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shared.host import boot_id, pid_namespace
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
    pid_namespace: str | None

    def facts(self) -> dict[str, Any]:
        """What an attempt's row keeps of it."""
        return dict(vars(self))

    def outlived(self, other: Mapping[str, Any]) -> bool:
        """Whether another worker's facts are of this one's former self: same node and boot, its process gone.

        Only among pids that are counted together: in two containers of one host, the same node name may live twice,
        and neither finds the other's process. What does not say where its pid counts is nobody's former self.
        """
        if self.pid_namespace is None:
            return False
        if any(other.get(name) != getattr(self, name) for name in ("node", "boot_id", "pid_namespace")):
            return False
        pid = other.get("pid")
        found = None if pid is None else tree.look(pid)
        return found is None or found.start != other.get("pid_start") or not found.alive()


def this_worker(node: str | None = None) -> Worker:
    """The process that calls, as a worker; node is Celery's node name."""
    pid = os.getpid()
    seen = tree.look(pid)
    pid_start = 0 if seen is None else seen.start
    node = node or f"celery@{socket.gethostname()}"
    boot = boot_id()
    # An abstract socket has no file that a crash could leave behind, and no length of path to mind.
    keeper = f"@slotbeat-keeper-{uuid4().hex}"
    return Worker(f"{node}:{boot[:8]}:{pid}:{pid_start}", node, boot, pid, pid_start, keeper, pid_namespace())
