"""A worker that runs every hostile kind of payload at once: a main process, and a child that has the guards."""

import os
import signal
import sys
import threading
from dataclasses import replace

from tests.guard.scenes import KINDS, LATE_S, a_run, argv, until_it_says
from workers import tree
from workers.guarded import guarded
from workers.guards import Guards


def hold(kind: str, guards: Guards, deadline_s: float, told: list[int], holding: threading.Semaphore) -> None:
    """One payload, to whatever end it comes; the pids of guard and payload are told."""
    with guarded(guards) as payload:
        run = a_run(argv(kind), deadline_s)
        payload.start(replace(run, env={**run.env, "SLOTBEAT_INSTALLATION": guards._installation}))
        until_it_says(payload, b"ready")
        told += [payload.guard_pid, *tree.children(payload.guard_pid)]
        holding.release()
        payload.wait()


def child(installation: str, deadline_s: float, lifeline: int) -> None:
    """As a pool's child: it has the guards, and ends when its main process does."""
    threading.Thread(target=lambda: (os.read(lifeline, 1), os._exit(1)), daemon=True).start()
    guards, told, holding = Guards(installation), [], threading.Semaphore(0)
    for kind in KINDS:
        threading.Thread(target=hold, args=(kind, guards, deadline_s, told, holding), daemon=True).start()
    for _ in KINDS:
        holding.acquire()
    while any((seen := tree.look(pid)) and seen.state in "Tt" for pid in guards.pids):
        signal.sigtimedwait([], 0.02)  # the one that its payload stopped is woken
    print("held", os.getpid(), *told, flush=True)
    signal.pause()


def main(installation: str, deadline_s: float) -> None:
    """As a worker's main process: its end is the end of its child."""
    theirs, ours = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        child(installation, deadline_s, theirs)
    os.close(theirs)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2] if len(sys.argv) > 2 else LATE_S))
