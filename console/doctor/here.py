"""What this host's kernel knows of a process that gave no sign."""

from pathlib import Path
from typing import Literal

from shared.host import boot_id, pid_namespace
from shared.store.processes import Process

# State and start time among the fields that follow the command's name in /proc/PID/stat.
_STATE, _START = 0, 19
_STOPPED, _DEAD = "tT", "ZXx"


def on_this_host(process: Process) -> Literal["stopped", "there", "unknown"]:
    """Whether this very process is still there, stopped or not; `unknown` also of other hosts and containers."""
    if process.pid_namespace not in (None, pid_namespace()) or process.boot_id != boot_id():
        return "unknown"
    try:
        told = Path(f"/proc/{process.pid}/stat").read_bytes()
    except OSError:
        return "unknown"
    # The name may hold spaces and parentheses: only what follows the last one is fields.
    fields = told[told.rindex(b")") + 2 :].decode("ascii").split()
    if int(fields[_START]) != process.pid_start or fields[_STATE] in _DEAD:
        return "unknown"
    return "stopped" if fields[_STATE] in _STOPPED else "there"
