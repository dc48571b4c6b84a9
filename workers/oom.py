"""How many processes the kernel has killed for want of memory: the evidence behind the reason `oom`."""

import re
from functools import lru_cache
from pathlib import Path

# One look for each payload, before it begins: the file is found once, and not taken apart line by line.
_COUNT = re.compile(rb"^oom_kill (\d+)", re.MULTILINE)


def kills() -> int:
    """Those of this process's control group where it counts them, else those of the whole machine."""
    for file in (_group_file(), Path("/proc/vmstat")):
        count = _count_in(file)
        if count is not None:
            return count
    return 0


@lru_cache(maxsize=1)
def _group_file() -> Path:
    """Where control groups of version 2 count; with version 1, whose counts are not inherited, no file."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    group = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    return Path("/sys/fs/cgroup", group, "memory.events")


def _count_in(file: Path) -> int | None:
    try:
        found = _COUNT.search(file.read_bytes())
    except OSError:
        return None
    return None if found is None else int(found[1])
