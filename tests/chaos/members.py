"""The processes of the fleet under test: started, found by their parts, and started again when they die."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.proc import Process, descendants
from workers.guard import MARK

ROOT = Path(__file__).resolve().parents[2]
STOPS_WITHIN_S = 25.0
# By how many seconds the members' wall clocks are wrong.
CLOCK = "clock"


@dataclass
class Member:
    """One worker or beat, whatever process it is just now."""

    name: str
    argv: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, environment: Mapping[str, str]) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.argv],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1

    def send(self, number: signal.Signals) -> None:
        if self.lives:
            os.kill(self.pid, number)

    # Its parts -------------------------------------------------------------------------------------

    def below(self) -> list[Process]:
        return [it for it in descendants(self.pid) if not it.is_zombie] if self.lives else []

    def children(self) -> list[Process]:
        """The processes of the pool."""
        return [it for it in self.below() if it.parent == self.pid and "celery" in it.command]

    def guards(self, *, busy: bool = True) -> list[Process]:
        below = self.below()
        at_work = {it.parent for it in below}
        return [it for it in below if MARK in it.command and (not busy or it.pid in at_work)]

    def payloads(self) -> list[Process]:
        return [it for it in self.below() if "witness.py" in it.command]

    def stop(self) -> bool:
        """Whether it stopped in time when it was asked to."""
        self.send(signal.SIGTERM)
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOPS_WITHIN_S)
                return True
            for it in [*self.below(), None]:
                signal_to(self.pid if it is None else it.pid, signal.SIGKILL)
            self.process.wait()
        return False


def worker(folder: Path, name: str, *options: str) -> Member:
    quiet = ("--without-mingle", "--without-gossip")
    argv = (*frail(folder), "-A", "workers", "worker", "-n", f"{name}@chaos", "-l", "info", *quiet, *options)
    return Member(name, argv, folder / f"{name}.log")


def beat(folder: Path, name: str) -> Member:
    return Member(name, (*frail(folder), "-A", "beat", "beat", "-l", "info"), folder / f"{name}.log")


def frail(folder: Path) -> tuple[str, ...]:
    """Celery's command, with a wall clock and a main loop that faults can reach."""
    return ("-m", "tests.chaos.frail", str(folder / CLOCK), "celery")


def signal_to(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


class Supervisor(threading.Thread):
    """Starts again what died, after a moment, as an orchestrator would."""

    LOOKS_EVERY_S = 0.2
    WAITS_S = 0.6

    def __init__(self, members: list[Member], environment: Mapping[str, str]) -> None:
        super().__init__(name="supervisor", daemon=True)
        self._members, self.environment = members, environment
        self._ending = threading.Event()
        self._dead_for = dict.fromkeys((it.name for it in members), 0.0)

    def run(self) -> None:
        while not self._ending.wait(self.LOOKS_EVERY_S):
            for member in self._members:
                self._look_after(member)

    def _look_after(self, member: Member) -> None:
        if member.lives:
            self._dead_for[member.name] = 0.0
            return
        self._dead_for[member.name] += self.LOOKS_EVERY_S
        if self._dead_for[member.name] >= self.WAITS_S:
            member.start(self.environment)

    def stop(self) -> None:
        self._ending.set()
        self.join(10)
