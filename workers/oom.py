"""How many processes the kernel has killed for want of memory: the evidence behind the reason `oom`."""

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# One look for each payload, before it begins: the file is found and opened once, and not taken apart line by line.
_COUNT = re.compile(rb"^oom_kill (\d+)", re.MULTILINE)
_LONGEST = 64 * 1024


def kills() -> int:
    """Those of this process's control group where it counts them, else those of the whole machine."""
    file = _counter()
    return 0 if file is None else _count_in(file) or 0


@lru_cache(maxsize=1)
def _counter() -> int | None:
    """The open file that counts; None where the system does not."""
    for path in (_group_file(), Path("/proc/vmstat")):
        with suppress(OSError):
            file = os.open(path, os.O_RDONLY)
            if _count_in(file) is not None:
                return file
            os.close(file)
    return None


def _group_file() -> Path:
    """Where control groups of version 2 count; with version 1, whose counts are not inherited, no file."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    return Path("/sys/fs/cgroup", group, "memory.events")


def _count_in(file: int) -> int | None:
    try:
        found = _COUNT.search(os.pread(file, _LONGEST, 0))
    except OSError:
        return None
    return None if found is None else int(found[1])
