"""How many processes the kernel has killed for want of memory: the evidence behind the reason `oom`."""

from pathlib import Path


def kills() -> int:
    """Those of this process's control group where it counts them, else those of the whole machine."""
    for file in (_group_file(), Path("/proc/vmstat")):
        count = _count_in(file)
        if count is not None:
            return count
    return 0


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
        fields = dict(line.split()[:2] for line in file.read_text().splitlines())
        return int(fields["oom_kill"])
    except (OSError, KeyError, ValueError):
        return None
