"""Real processes for a test: started with a log, ended with everything below them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from tests.forks import Born, Nursery
from tests.proc import Process, descendants, is_alive
from tests.waiting import until


class Started:
    """A process and what it wrote so far."""

    def __init__(self, process: subprocess.Popen[bytes] | Born, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def says(self, words: str) -> bool:
        return words in self.text

    def tree(self) -> list[Process]:
        """All that it started and that is still below it."""
        return descendants(self.pid)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, within_s: float = 10) -> int:
        return self.process.wait(within_s)

    def kill(self) -> None:
        """This process alone, without a word: what becomes of those below it is for the test to see."""
        self.process.kill()
        self.process.wait()

    def end_tree(self) -> None:
        """Ends it with all below it, and waits until they are gone."""
        stopped: set[int] = set()
        # Whoever is stopped starts nothing more that the next look would have to find.
        while new := {self.pid, *(it.pid for it in self.tree())} - stopped:
            each(new, signal.SIGSTOP)
            stopped |= new
        each(stopped, signal.SIGKILL)
        self.process.wait()
        until(lambda: not any(map(is_alive, stopped)))


def each(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Start(Protocol):
    def __call__(self, *argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Started: ...


@pytest.fixture
def start(tmp_path: Path, nursery: Nursery) -> Iterator[Start]:
    """Starts a program with our environment and `env`; the word "python" is that of the tests."""
    all_started: list[Started] = []

    def begin(*argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Started:
        log = tmp_path / f"process-{len(all_started) + 1}.log"
        words, surroundings, place = with_our_python(argv), {**os.environ, **(env or {})}, cwd or tmp_path
        with log.open("wb") as out:
            process = nursery.begin(words, surroundings, place, out.fileno()) or subprocess.Popen(
                words,
                env=surroundings,
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        all_started.append(Started(process, log))
        return all_started[-1]

    yield begin
    for started in reversed(all_started):
        started.end_tree()


def with_our_python(argv: Sequence[str | Path]) -> list[str]:
    words = [str(word) for word in argv]
    return [sys.executable, *words[1:]] if words[0] == "python" else words
