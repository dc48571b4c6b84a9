"""One server process that we own: started, waited for, stopped, killed and started again."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from console.local.leash import SAME_USER, leashed
from console.local.ports import free_port

READY_WITHIN_S = 60.0
FREE_WITHIN_S = 15.0
STOP_WITHIN_S = 3.0
LOOK_EVERY_S = 0.02


class ServerFailed(Exception):
    """A server that would not start, with the reason it gave."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How one server is started."""

    argv: tuple[str, ...]
    ends_with: signal.Signals
    user: str = SAME_USER
    stdin: bytes = b""


class Kind(Protocol):
    """What one kind of server knows about itself."""

    name: str
    data: Path
    stop_signal: signal.Signals

    def prepare(self) -> None:
        """Makes the data folder fit for a start."""
        ...

    def launch(self, port: int) -> Launch: ...

    def url(self, port: int) -> str: ...

    def answers(self, port: int) -> bool: ...


class Server:
    """The process of one server. Its port stays the same from start to start."""

    def __init__(self, kind: Kind, log: Path) -> None:
        self.kind = kind
        self.log = log
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def url(self) -> str:
        return self.kind.url(self.port)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed(f"{self.kind.name} has not been started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Starts the process without waiting for it, so that several can start at the same time."""
        with self._folder_lock() as lock:
            self.kind.prepare()
            how = self.kind.launch(self.port)
            with self.log.open("ab") as log:
                self._said_before = log.tell()
                self._process = subprocess.Popen(
                    leashed(how.argv, how.ends_with, how.user, str(self.kind.data)),
                    cwd=self.kind.data,
                    env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as config:
            config.write(how.stdin)

    def wait_ready(self) -> None:
        for _ in range(3):
            if self._came_up():
                return
            # Somebody took the port between our look and the server's: another one, then.
            self.port = free_port()
            self.launch()
        raise ServerFailed(f"{self.kind.name} found no free port")

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        if self.running:
            self.signal(self.kind.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert self._process is not None
                self._process.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """As a crash would: no word to the server, nothing written."""
        if self._process is not None:
            if self.running:
                self.signal(signal.SIGKILL)
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def restart(self) -> None:
        """Up again on the same port, with the same data; kills what still runs."""
        self.kill()
        self.start()

    def _came_up(self) -> bool:
        """False: somebody else has the port."""
        assert self._process is not None
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                said = self.last_words()
                if "address already in use" in said.lower():
                    return False
                raise ServerFailed(f"{self.kind.name} ended with status {self._process.returncode}:\n{said}")
            if self.kind.answers(self.port):
                return True
            time.sleep(LOOK_EVERY_S)
        self.kill()
        raise ServerFailed(f"{self.kind.name} did not answer within {READY_WITHIN_S:.0f} s:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of what it wrote since its last start."""
        said = self.log.read_bytes()[self._said_before :].decode("utf-8", errors="replace")
        return "\n".join(said.splitlines()[-8:])

    @contextlib.contextmanager
    def _folder_lock(self) -> Iterator[int]:
        """Held by whoever serves the folder, to its last process: they inherit it, and we let go of it.

        So a start after `kill -9` waits for the remains of the last run, and two servers never share data.
        """
        file = self.kind.data.with_name(f"{self.kind.data.name}.lock")
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + FREE_WITHIN_S
            while not locked(descriptor):
                if time.monotonic() > until:
                    raise ServerFailed(f"{self.kind.data} is in use by another {self.kind.name}")
                time.sleep(LOOK_EVERY_S)
            yield descriptor
        finally:
            os.close(descriptor)


def locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
