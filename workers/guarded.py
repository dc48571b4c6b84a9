"""The worker's side of a guard: hands one a payload, hears of its end."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workers import tree
from workers.guards import Guards, Staff

_TICK_S = 0.5
# A guard that stays stopped although it is told to go on, look after look, is being held by its payload.
_LOOKS_STOPPED = 3
_NOT_CLEAN = "The payload's guard was killed, and of the payload something is left that could not be ended."


@dataclass(frozen=True, slots=True)
class Run:
    """What a guard is to run and for how long; both deadlines in seconds of CLOCK_BOOTTIME."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None
    deadline: float
    run_deadline: float
    abort_grace_s: float
    token: int
    keeper: str | None = None
    about: Mapping[str, str] | None = None  # told to the keeper with the token

    def order(self) -> dict[str, Any]:
        return {
            "argv": list(self.argv),
            "env": dict(self.env),
            "cwd": self.cwd,
            "deadline": self.deadline,
            "run_deadline": self.run_deadline,
            "abort_grace_s": self.abort_grace_s,
            "token": self.token,
            "keeper": self.keeper,
            "about": dict(self.about or {}),
        }


@dataclass(frozen=True, slots=True)
class Gone:
    """How a payload ended: nothing of it is left.

    `by`: payload abort run_lease deadline lifeline keeper, as the guard says; refused (never started);
    guard_lost (the guard ended first, and this process swept up).
    """

    code: int | None
    signal: int | None
    by: str
    reason: str | None = None
    error: str | None = None
    peak_rss_mb: float | None = None


class Payload:
    """One guard with one payload: its pipes (non-blocking on this side), its abort, its end."""

    def __init__(self, guards: Guards, staff: Staff) -> None:
        self._guards, self._staff = guards, staff
        theirs_in, self.stdin = os.pipe()
        self.stdout, theirs_out = os.pipe()
        self.stderr, theirs_err = os.pipe()
        self._theirs = (theirs_in, theirs_out, theirs_err)
        # Its own list: of a file that is closed the number may be another payload's by now.
        self._open = {self.stdin, self.stdout, self.stderr, *self._theirs}
        guards.own(*self._open)
        for file in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(file, False)
        self.ended: Gone | None = None
        self._started = False
        self._stopped_looks = 0
        self._speaking = threading.Lock()

    @property
    def guard_pid(self) -> int:
        return self._staff.pid

    def fileno(self) -> int:
        """The control socket: readable when `hear` has something to say."""
        return self._staff.wire.fileno()

    def start(self, run: Run) -> None:
        """Hand the guard its run; whether it could be started is heard like everything else."""
        self._started = True
        with self._speaking:
            self._staff.wire.send({"run": run.order()}, self._theirs)
        self._shut(*self._theirs)

    def abort(self, reason: str) -> None:
        """Ask the payload to end, SIGKILL after its grace; from any thread; once it has ended, nothing."""
        with self._speaking:
            if self.ended is None:
                self._staff.wire.send({"abort": reason})

    def _shut(self, *files: int) -> None:
        for file in self._open & set(files):
            self._open.discard(file)
            self._guards.shut(file)

    def end_of_input(self) -> None:
        self._shut(self.stdin)

    def hear(self) -> Gone | None:
        """The end, if it has come; does not wait."""
        if self.ended is not None:
            return self.ended
        messages = self._staff.wire.receive()
        if messages is None:
            is_clean = self._guards.dismiss(self._staff)
            self._end(Gone(None, None, "guard_lost", error=None if is_clean else _NOT_CLEAN))
        for message in messages or ():
            self._heed(message)
        return self.ended

    def _heed(self, message: dict[str, Any]) -> None:
        if "refused" in message:
            reason = "target_error" if message["heals"] else "bad_target"
            self._end(Gone(None, None, "refused", reason, error=message["refused"]))
        elif "ended" in message:
            self._end(Gone(**message["ended"]))

    def _end(self, ended: Gone) -> None:
        with self._speaking:
            self.ended = ended

    def tend(self) -> None:
        """To be called about twice a second: a payload may have stopped its own guard."""
        seen = tree.look(self._staff.pid)
        if seen is None or seen.state not in "Tt":
            self._stopped_looks = 0
            return
        self._stopped_looks += 1
        if self._stopped_looks > _LOOKS_STOPPED:
            tree.end_tree(self._staff.pid, include_root=True)
        else:
            os.kill(self._staff.pid, signal.SIGCONT)

    def wait(self, timeout_s: float | None = None) -> Gone | None:
        """The end; None if it has not come in time. Reads no output: for that, see `targets`."""
        ticks = None if timeout_s is None else int(timeout_s / _TICK_S) + 1
        while self.hear() is None:
            if ticks is not None and (ticks := ticks - 1) < 0:
                return None
            if not _readable(self.fileno(), _TICK_S):
                self.tend()
        return self.ended

    def close(self) -> None:
        """End what still runs, and give the guard back if it is fit for another."""
        self._shut(*self._open)
        if self.ended is not None and self.ended.by == "guard_lost":
            return
        if self._started and self.ended is None:
            self._guards.dismiss(self._staff)
        else:
            self._guards.give_back(self._staff)


def _readable(file: int, timeout_s: float) -> bool:
    poll = select.poll()  # select() takes no file above 1023
    poll.register(file, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


@contextmanager
def guarded(guards: Guards) -> Iterator[Payload]:
    """A payload's whole life: when the block is left, for whatever reason, nothing of it is left either."""
    payload = Payload(guards, guards.take())
    try:
        yield payload
    finally:
        payload.close()
