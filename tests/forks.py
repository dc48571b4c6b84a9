"""How the nursery is asked for a program, and what a test then holds in its hands."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import leftovers
from tests.nursery import LONGEST

ROOT = Path(__file__).resolve().parents[1]
# Of the modules that `python -m` names, and of the scripts beside our Python.
MODULES = ("beat", "celery", "console", "tests", "uvicorn", "workers")
SCRIPTS = ("celery", "slotbeat")
# What an interpreter, a C library or an allocator looks at once, as it starts.
EARLY = ("LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "TZ")
ROOM = "-" * 4000


class Born:
    """A process of the nursery's, held as one of subprocess: it is a child of ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode if self.returncode is not None else self._waited(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and timeout is not None:
            gone = os.pidfd_open(self.pid)
            try:
                if not select.select([gone], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout)
            finally:
                os.close(gone)
        ended = self.returncode if self.returncode is not None else self._waited(0)
        assert ended is not None
        return ended

    def _waited(self, how: int) -> int | None:
        pid, status = os.waitpid(self.pid, how)
        self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """One for all tests of a session."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._early = _early(os.environ)
        argv = [sys.executable, "-m", "tests.nursery", str(theirs.fileno()), ROOM]
        with theirs:
            self.process = subprocess.Popen(argv, cwd=ROOT, pass_fds=[theirs.fileno()], start_new_session=True)

    def begin(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: int) -> Born | None:
        """None where it would not be the same as a start of its own."""
        path = _path(argv, env, cwd)
        if path is None or _early(env) != self._early:
            return None
        order: dict[str, Any] = {"argv": argv, "env": dict(env), "cwd": str(cwd), "path": path}
        said = json.dumps(order).encode()
        if len(said) > LONGEST // 2:
            return None
        socket.send_fds(self._line, [said], [log])
        born = self._line.recv(20)
        assert born, "the nursery has ended: its own words are above"
        return Born(int(born))

    def close(self) -> None:
        self._line.close()
        self.process.wait()


def _early(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(EARLY) and name != "PYTHONPATH"}


def _path(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> list[str] | None:
    """Where the program would look for modules first; None where it is none of these, or would find others there."""
    if (cwd / "shared").exists() and cwd != ROOT:
        return None
    named = [str(Path(it).absolute()) for it in env.get("PYTHONPATH", "").split(os.pathsep) if it]
    if argv[0] == sys.executable and argv[1:2] == ["-m"] and argv[2].split(".")[0] in MODULES:
        return [str(cwd), *named]
    beside = Path(sys.executable).parent
    if argv[0] in [str(beside / it) for it in SCRIPTS]:
        return [str(beside), *named]
    return None


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    leftovers.staying.add(made.process.pid)
    yield made
    made.close()
    leftovers.staying.discard(made.process.pid)
