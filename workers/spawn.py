"""Starting a payload: its program found, its surroundings clean, and a clear sentence when it cannot be."""

from __future__ import annotations

import errno
import os
import signal

# Every guard imports this, and must start in milliseconds: standard library only, without its heavy parts.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_OOM_SCORE = b"500"
_DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


def start(order: Mapping[str, Any], files: list[int]) -> int | dict[str, Any]:
    """The payload's pid, or why it could not be started."""
    argv, env, cwd = order["argv"], order["env"], order["cwd"]
    try:
        if cwd is not None:
            os.chdir(cwd)
    except (OSError, ValueError) as error:
        return {"refused": f"The working directory {cwd!r} cannot be entered: {error}.", "heals": False}
    try:
        pid = os.posix_spawn(
            _program(argv[0], env.get("PATH", os.defpath)),
            argv,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, file, place) for place, file in enumerate(files)],
            setsigmask=(),
            setsigdef=_DEFAULTS,
            setsid=True,
        )
    except (OSError, ValueError) as error:
        healing = isinstance(error, OSError) and error.errno in {errno.EAGAIN, errno.ENOMEM}
        return {"refused": f"The command {argv[0]!r} cannot be started: {_why(error)}.", "heals": healing}
    finally:
        os.chdir("/")
    _first_to_go(pid)
    return pid


def _program(name: str, path: str) -> str:
    """Where the command is, by the payload's own PATH, not by the guard's."""
    if "/" in name:
        return name
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(errno.ENOENT, "not on PATH", name)


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return str(error)
    told = {
        errno.ENOENT: "there is no such program on the target's PATH, or its interpreter is missing",
        errno.EACCES: "it is not an executable file that this worker's user may run",
        errno.ENOEXEC: "it is no program (a script needs a first line such as #!/bin/sh)",
        errno.E2BIG: "arguments and environment together are longer than this system takes",
        errno.EAGAIN: "this worker's user may have no more processes",
        errno.ENOMEM: "there is not enough memory",
    }
    return told.get(error.errno or 0, str(error))


def _first_to_go(pid: int) -> None:
    """When memory runs out, the kernel should take a payload before a worker or a database."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "wb", buffering=0) as file:
            file.write(_OOM_SCORE)
    except OSError:
        pass
