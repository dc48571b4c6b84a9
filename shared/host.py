"""Where a pid means something: in which boot of this host, and in which of its namespaces."""

import os
from pathlib import Path


def boot_id() -> str:
    """The kernel's identity of this boot; pids and their start times mean something only within it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"


def pid_namespace() -> str | None:
    """Among which pids this process's own counts; None where the kernel does not say.

    The number of a namespace that has ended may be given again: none of its processes lives then.
    """
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None
