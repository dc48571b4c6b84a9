"""The process around a payload: holds it to its deadlines, and surely ends all that it started."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from workers import spawn, tree
from workers.wire import Wire, call

# A guard must start in milliseconds and stay small: standard library only, and none of its heavy parts.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MARK = "slotbeat-guard"
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
# It counts the time a machine sleeps. Where it is missing (macOS), CLOCK_MONOTONIC does.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# poll() counts time that a sleeping machine does not: no wait is longer than this, whatever the deadline.
_TICK_S = 0.5
_NEVER = 1e12
_IDLE_TICK_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05
# A payload that is over by then has nothing to tell a keeper: no lease is renewed so soon.
_FIRST_CALL_S = 0.03
# How long a process that is killed may take to be gone, on a busy machine.
_DYING_S = 5.0


def main(control: int, parent: int) -> None:
    """Serve one worker process: one payload after the other, until it is gone."""
    bell = _harden()
    os.set_inheritable(control, False)
    wire = Wire(socket.socket(fileno=control))
    newest: dict[str, Any] | None = None
    while order := _next_order(wire, parent):
        files, wire.files = wire.files, []
        answer = _too_late(order) or spawn.start(order, files)
        _close(files[:1])
        if isinstance(answer, int):
            watch = Watch(wire, bell, order, answer)
            answer = watch.until_gone(parent)
            if watch.is_dismissed:
                break
        wire.send(answer)
        _close(files[1:])  # only now: else its worker would be woken for the end of the output first
        newest = order if order.get("keeper") else newest
    if newest is not None and order is None and _is_orphan(parent):
        # Nobody else is left who could say so: whoever ran it may have died before it wrote how it ended.
        _line_to_keeper(newest, orphaned=newest["token"])
    os._exit(0)


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)


def _too_late(order: Mapping[str, Any]) -> dict[str, Any] | None:
    """Why nothing is begun: who was frozen on the way here may be followed by another attempt already."""
    if time.clock_gettime(_CLOCK) < float(order["deadline"]):
        return None
    why = "The order came so late that its lease was nearly over: nothing was begun."
    return {"ended": {"code": None, "signal": None, "by": "refused", "reason": "not_started", "error": why}}


def _harden() -> int:
    """Settle the process down; answers the file that becomes readable when a child has ended."""
    tree.become_subreaper()
    # Without this, a payload under a non-root guard could become another user, whom the guard may not kill.
    tree.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # A payload of the same user must not be able to reach into the guard with ptrace.
    tree.prctl(_PR_SET_DUMPABLE, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        # A service that is stopped signals everyone; the worker decides when its payloads end.
        signal.signal(number, signal.SIG_IGN)
    bell, clapper = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(clapper, False)
    signal.set_wakeup_fd(clapper, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return bell


def _next_order(wire: Wire, parent: int) -> dict[str, Any] | None:
    """The next run; an empty one from a parent that needs no guard any more, None when it is gone."""
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    while os.getppid() == parent:
        if not poll.poll(_IDLE_TICK_S * 1000):
            continue
        messages = wire.receive()
        if messages is None:
            return None
        for message in messages:
            # Anything else was meant for a payload that has just ended.
            if isinstance(order := message.get("run"), dict):
                return order
            if "dismissed" in message:
                return {}
    return None


def _is_orphan(parent: int) -> bool:
    """A parent that dies closes its files first, and is our parent for a moment more."""
    ends_at = time.clock_gettime(_CLOCK) + _DYING_S
    while os.getppid() == parent and time.clock_gettime(_CLOCK) < ends_at:
        time.sleep(_FIRST_PAUSE_S)
    return os.getppid() != parent


class Watch:
    """One payload, from its start until nothing of it is left."""

    def __init__(self, control: Wire, bell: int, order: Mapping[str, Any], payload: int) -> None:
        self._control, self._bell, self._order, self._payload = control, bell, order, payload
        self._deadline = float(order["deadline"])
        self._run_deadline = float(order["run_deadline"])
        self._kill_at = float("inf")
        self._keeper: Wire | None = None
        self._call_at = time.clock_gettime(_CLOCK) + _FIRST_CALL_S
        self._cause: tuple[str, str | None] | None = None
        self._killing = self.is_dismissed = False
        self._pause = _FIRST_PAUSE_S
        self._status: int | None = None
        self._peak_kb = 0
        self._poll = select.poll()
        self._poll.register(bell, select.POLLIN)
        self._poll.register(control, select.POLLIN)

    def until_gone(self, parent: int) -> dict[str, Any]:
        """What to report, once no descendant is left."""
        while not self._reap():
            if os.getppid() != parent:
                # Somebody else may hold a copy of the lifeline; the parent itself cannot be copied.
                self._kill("lifeline", None)
            self._judge(time.clock_gettime(_CLOCK))
            for file, _ in self._poll.poll(self._wait_ms()):
                self._hear(file)
        if self._keeper is not None:
            self._keeper.close()
        return {"ended": self._ended()}

    def _ended(self) -> dict[str, Any]:
        by, reason = self._cause or ("payload", None)
        code = os.waitstatus_to_exitcode(self._status or 0)
        return {
            "code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "by": by,
            "reason": reason,
            "peak_rss_mb": round(self._peak_kb / (1024 if sys.platform == "linux" else 1024 * 1024), 1),
        }

    def _reap(self) -> bool:
        """Bury who has ended; True when there is no child left, which for a subreaper means no descendant."""
        while True:
            try:
                ended = _ended_child()
                if ended == self._payload and self._status is None:
                    # Before it is buried: until then its group's number cannot be anybody else's.
                    self._kill("payload", None)
                pid, status, usage = os.wait4(ended, os.WNOHANG) if ended else (0, 0, None)
            except ChildProcessError:
                return True
            if usage is None or pid == 0:
                return False
            self._peak_kb = max(self._peak_kb, usage.ru_maxrss)
            if pid == self._payload and self._status is None:
                self._status = status

    def _judge(self, now: float) -> None:
        if self._killing:
            tree.end_round(os.getpid())
        elif now >= self._deadline:
            self._kill("run_lease" if now >= self._run_deadline else "deadline", None)
        elif now >= self._kill_at:
            self._kill("abort", None)
        elif now >= self._run_deadline:
            self._abort("run_lease", None, now)
        self._call_keeper(now)

    def _wait_ms(self) -> float:
        if self._killing:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_S)
            return self._pause * 1000
        until = min(self._deadline, self._kill_at)
        if self._keeper is None and self._order.get("keeper"):
            until = min(until, self._call_at)
        if self._cause is None:
            until = min(until, self._run_deadline)
        left = until - time.clock_gettime(_CLOCK)
        # Rounded up: poll() takes whole milliseconds, and 0 would make the last one a hot loop.
        return max(1.0, min(left, _TICK_S) * 1000 + 1)

    def _abort(self, by: str, reason: str | None, now: float) -> None:
        """Ask once, and insist after the grace. Who asked first is the cause."""
        if self._cause is not None:
            return
        self._cause = (by, reason)
        self._kill_at = now + float(self._order["abort_grace_s"])
        self._signal_group(signal.SIGTERM)
        # A stopped payload would learn of it only by dying.
        self._signal_group(signal.SIGCONT)

    def _kill(self, by: str, reason: str | None) -> None:
        """Everything, now: the payload's group in one stroke here, whoever left the group round by round."""
        if self._cause is None:
            self._cause = (by, reason)
        if not self._killing:
            self._killing = True
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        if self._status is None:
            with suppress(OSError):
                os.killpg(self._payload, number)

    def _hear(self, file: int) -> None:
        if file == self._bell:
            while _rang(self._bell):
                pass
            return
        wire = self._keeper if self._keeper is not None and file == self._keeper.fileno() else self._control
        messages = wire.receive()
        if messages is None:
            self._poll.unregister(file)
            self._lost(wire)
        for message in messages or ():
            self._heed(wire, message)

    def _lost(self, wire: Wire) -> None:
        if wire is self._control:
            self._kill("lifeline", None)
        elif self._keeper is not None:
            # Nothing follows from it: the deadline stands, and the next tick calls again.
            self._keeper.close()
            self._keeper = None

    def _heed(self, wire: Wire, message: Mapping[str, Any]) -> None:
        if "ping" in message:
            wire.send({"pong": message["ping"]})
        later = message.get("deadline")
        if isinstance(later, int | float) and self._deadline < later < _NEVER:
            self._deadline = later
        if "abort" in message:
            self._abort("abort", str(message["abort"]), time.clock_gettime(_CLOCK))
        if "kill" in message:
            self._kill("keeper", str(message["kill"]))
        self.is_dismissed |= "dismissed" in message

    def _call_keeper(self, now: float) -> None:
        if self._keeper is not None or now < self._call_at:
            return
        self._call_at = now + _TICK_S
        if line := _line_to_keeper(self._order, deadline=self._deadline):
            self._keeper = line
            self._poll.register(line, select.POLLIN)


def _line_to_keeper(order: Mapping[str, Any], **more: Any) -> Wire | None:
    """Says whose guard this is; None where there is no keeper, or none that answers just now."""
    line = call(str(order["keeper"])) if order.get("keeper") else None
    if line is not None:
        line.send({"token": order["token"], "pid": os.getpid(), "about": order.get("about", {}), **more})
    return line


def _ended_child() -> int:
    """Which child has ended, left unburied; 0 for none, -1 (any) where the system cannot say."""
    if not hasattr(os, "waitid"):
        return -1
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return 0 if found is None else found.si_pid


def _rang(bell: int) -> bool:
    try:
        return bool(os.read(bell, 4096))
    except BlockingIOError:
        return False
