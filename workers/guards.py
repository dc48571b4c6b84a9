"""The guards of a worker process: started ahead of need, used again, swept up after when one is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from workers import guard, tree
from workers.wire import Wire

_ROOT = str(Path(__file__).resolve().parent.parent)
_CODE = "import sys; sys.path.append({root!r}); from workers.guard import main; main(*map(int, sys.argv[3:]))"
_CLOSE_S = 5.0


class Staff:
    """One guard process, as its parent holds it."""

    def __init__(self, installation: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            told = (guard.MARK, installation, str(theirs.fileno()), str(os.getpid()))
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _CODE.format(root=_ROOT), *told],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
                # Nothing of the worker's: no secret may be read from a guard. (Some Pythons need the one.)
                env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            )
        self.wire = Wire(ours)
        seen = tree.look(self.process.pid)
        self.start = 0 if seen is None else seen.start

    @property
    def pid(self) -> int:
        return self.process.pid


class Guards:
    """The guards of this process, a few of them idle and ready; for any thread, and anew after a fork."""

    def __init__(self, installation: str, spares: int = 1) -> None:
        self._installation = installation
        self._spares = spares
        self._forget()
        _everyone.add(self)

    def _forget(self) -> None:
        """Own nothing: at birth, and in a forked child, whose parent owns what was there."""
        self._lock = threading.RLock()
        self._owner = os.getpid()
        self._idle: list[Staff] = []
        self._all: dict[int, Staff] = {}
        self._files: set[int] = set()

    def after_fork(self) -> None:
        """Let go of what was the parent's: a copy of a lifeline here would outlive it there."""
        for staff in self._all.values():
            staff.wire.close()
            staff.process.returncode = 0  # no child of this process, to wait for or to warn about
        for file in self._files:
            with suppress(OSError):
                os.close(file)
        self._forget()

    @property
    def pids(self) -> frozenset[int]:
        """The guards that this process has, idle ones included."""
        return frozenset(self._all)

    def prepare(self) -> None:
        """Start what is missing of the idle ones: when there is time, before there is need."""
        with self._lock:
            while len(self._idle) < self._spares:
                self._idle.append(self._hire())

    def _hire(self) -> Staff:
        tree.become_subreaper()
        staff = Staff(self._installation)
        self._all[staff.pid] = staff
        return staff

    def take(self) -> Staff:
        """A guard that waits for its run."""
        with self._lock:
            while self._idle:
                staff = self._idle.pop()
                if staff.process.poll() is None:
                    return staff
                self.dismiss(staff)
            return self._hire()

    def give_back(self, staff: Staff) -> None:
        """A guard whose payload is gone can take the next one."""
        with self._lock:
            if len(self._idle) < self._spares:
                self._idle.append(staff)
                return
        self.dismiss(staff)

    def dismiss(self, staff: Staff) -> bool:
        """End a guard and what it guards, and sweep up what is left without it; whether all that is gone."""
        staff.wire.send({"dismissed": True})  # else it would take its parent for one that dies
        staff.wire.close()
        if staff.process.poll() is None:
            staff.process.send_signal(signal.SIGCONT)  # its payload may have stopped it
        with suppress(subprocess.TimeoutExpired):
            staff.process.wait(_CLOSE_S)
        if staff.process.returncode is None:
            tree.end_tree(staff.pid, include_root=True)
            staff.process.wait()
        with self._lock:
            self._all.pop(staff.pid, None)
            return staff.process.returncode == 0 or self._sweep(staff.start)

    def _sweep(self, since: int) -> bool:
        """Whether all is gone that a killed guard left to this process, a subreaper too.

        The lock is held, so that no guard is born meanwhile, whom this would take for an orphan.
        """

        def spare(pid: int) -> bool:
            seen = tree.look(pid)
            # A child of our own shares our session, which whoever was below a guard has left for good; what
            # is older than the guard cannot come from it either.
            return pid in self._all or seen is None or seen.session == os.getsid(0) or seen.start < since

        return tree.end_below(os.getpid(), spare)

    def own(self, *files: int) -> None:
        self._files.update(files)

    def shut(self, file: int) -> None:
        if file in self._files:
            self._files.discard(file)
            os.close(file)

    def close(self) -> None:
        """End the idle ones, and whatever still runs."""
        with self._lock:
            if self._owner != os.getpid():
                return
            self._idle.clear()
            for staff in list(self._all.values()):
                self.dismiss(staff)


_everyone: weakref.WeakSet[Guards] = weakref.WeakSet()


def _after_fork() -> None:
    for guards in list(_everyone):
        guards.after_fork()


os.register_at_fork(after_in_child=_after_fork)
