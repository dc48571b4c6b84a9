"""Payloads that do not want to end, and the ways in which they have to; also a program, for another user."""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from shared.clock import boottime
from tests.proc import Process, descendants
from workers.guarded import Gone, Payload, Run, guarded
from workers.guards import Guards

INSTALLATION = "0198c0de-0000-7000-8000-00000000beef"
GRACE_S = 0.3
SOON_S = 0.5
LATE_S = 60.0

PRELUDE = """
import os, signal, sys, time

settled, settle = os.pipe()

def child(body):
    if os.fork() == 0:
        body()
        os._exit(0)

def forever():
    os.write(settle, b".")
    while True:
        time.sleep(1000)

def in_own_session(body=forever):
    os.setsid()
    body()

def orphaned(body=forever):
    child(lambda: in_own_session(body))

def deaf():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    forever()

def stopped():
    os.write(settle, b".")
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()

def hydra():
    os.write(settle, b".")
    while True:
        if os.fork():
            os._exit(0)
        os.setsid()

def invisible():
    os.write(settle, b".")
    os.closerange(0, 100)
    os.execve("/bin/sleep", ["sleep", "1000"], {})

def closed():
    os.write(settle, b".")
    os.closerange(0, 100)
    while True:
        time.sleep(1000)

def stay(children):
    for _ in range(children):
        os.read(settled, 1)
    os.write(1, b"ready\\n")
    sys.stdin.buffer.read()

"""

KINDS = {
    "plain": "stay(0)",
    "background child": "child(forever); stay(1)",
    "own session": "child(in_own_session); stay(1)",
    "double-forked orphan": "child(orphaned); stay(1)",
    "deaf to signals": "child(deaf); signal.signal(signal.SIGTERM, signal.SIG_IGN); stay(1)",
    "stopped child": "child(stopped); stay(1)",
    "stops itself": "os.write(1, b'ready\\n'); os.kill(os.getpid(), signal.SIGSTOP); stay(0)",
    "hydra": "child(lambda: in_own_session(hydra)); child(lambda: in_own_session(hydra)); stay(2)",
    "stops its guard": "child(orphaned); os.kill(os.getppid(), signal.SIGSTOP); stay(1)",
    "kills its guard": "child(orphaned); os.kill(os.getppid(), signal.SIGKILL); stay(1)",
    "daemon with closed files": "child(lambda: orphaned(closed)); stay(1)",
    "nothing in its environment": "child(lambda: orphaned(invisible)); stay(1)",
}

ENDS: dict[str, Callable[[Payload], object]] = {
    "payload": lambda payload: payload.end_of_input(),
    "abort": lambda payload: payload.abort("cancelled"),
    "run_lease": lambda _: None,
    "deadline": lambda _: None,
    "guard_lost": lambda payload: kill_if_there(payload.guard_pid),
}


def can_be(kind: str, end: str) -> bool:
    return (kind, end) != ("stops itself", "payload")


def expected(kind: str, end: str) -> str:
    return "guard_lost" if kind == "kills its guard" else end


def kill_if_there(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def argv(kind: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", PRELUDE + KINDS[kind]]


def a_run(words: list[str], deadline_s: float = LATE_S, run_s: float = LATE_S, grace_s: float = GRACE_S) -> Run:
    now = boottime()
    env = {"PATH": os.environ.get("PATH", os.defpath), "SLOTBEAT_INSTALLATION": INSTALLATION}
    return Run(words, env, "/", now + deadline_s, now + run_s, grace_s, token=7)


def until_it_says(payload: Payload, words: bytes) -> bytes:
    """Its standard output up to these words; or all of it, if it ended without them."""
    said = b""
    poll = select.poll()
    poll.register(payload.stdout, select.POLLIN)
    while words not in said and payload.hear() is None:
        if poll.poll(100):
            chunk = os.read(payload.stdout, 65_536)
            said += chunk
            if not chunk:
                break
    return said


def play(kind: str, end: str, guards: Guards) -> tuple[Gone | None, list[Process]]:
    """How the payload ended, and whoever lives at the moment the end is told."""
    before = {process.pid for process in descendants(os.getpid())}
    with guarded(guards) as payload:
        run_s = SOON_S if end == "run_lease" else LATE_S
        payload.start(a_run(argv(kind), SOON_S if end == "deadline" else LATE_S, run_s))
        until_it_says(payload, b"ready")
        ENDS[end](payload)
        gone = payload.wait(20)
        everyone = descendants(os.getpid(), guards.pids)
    return gone, [process for process in everyone if not process.is_zombie and process.pid not in before]


def play_all(guards: Guards) -> list[str]:
    """What went wrong, over every kind and end."""
    wrong: list[str] = []
    for kind in KINDS:
        for end in filter(lambda end: can_be(kind, end), ENDS):
            gone, left = play(kind, end, guards)
            if gone is None or gone.by != expected(kind, end) or left:
                wrong.append(f"{kind}, {end}: {gone}, left: {left}")
    return wrong


def fork(guards: Guards) -> None:
    """A worker that forks while it has a guard; the child has its own, and holds nothing of the parent's."""
    guards.prepare()
    (inherited,) = guards.pids
    if os.fork() == 0:
        guards.prepare()
        print("child", inherited not in guards.pids and len(guards.pids) == 1, flush=True)
        signal.pause()
    print("parent", inherited, flush=True)
    sys.stdin.read()
    guards.close()
    print("closed", flush=True)
    signal.pause()


def idle(guards: Guards, keeper: str) -> None:
    """A worker whose payload has ended, told to its keeper; what comes next is its parent's to say."""
    with guarded(guards) as payload:
        payload.start(replace(a_run(["true"]), token=41, keeper=keeper, about={"firing": "f"}))
        payload.wait()
    print("ended", flush=True)
    sys.stdin.read()
    guards.close()
    print("closed", flush=True)
    signal.pause()


if __name__ == "__main__":
    ours = Guards(INSTALLATION)
    match sys.argv[1:]:
        case ["all"]:
            found = play_all(ours)
            ours.close()
            sys.exit("\n".join(found) or None)
        case ["fork"]:
            fork(ours)
        case ["idle", address]:
            idle(ours, address)
        case other:
            sys.exit(f"no such scene: {other}")
