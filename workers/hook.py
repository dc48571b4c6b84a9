"""Runs a workspace's hook, a command or a call by POST, under a guard like any payload."""

import json
import os
import selectors
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from workers import aside, post
from workers.guarded import Gone, Payload, Run, guarded
from workers.station import Station
from workers.targets.output import Tail
from workers.targets.program import environment

_LOOK_EVERY_S = 0.5
_CHUNK = 64 * 1024
_LONGEST_WORDS = 2000
# What a hook that is told to end may take for it; its worker is about to end too.
LONGEST_GRACE_S = 5.0


@dataclass(frozen=True)
class Hook:
    """What to run, what it reads on its standard input, what it is for, and how many bytes of its words are wanted."""

    argv: Sequence[str]
    stdin: str
    workspace: str
    keeps: int = _LONGEST_WORDS


@dataclass(frozen=True)
class Times:
    """In seconds of CLOCK_BOOTTIME: when the hook is told to end, and how long it may then take."""

    deadline: float
    grace_s: float


def by_get(url: str) -> Hook:
    """A call by GET as a hook."""
    return Hook(post.ARGV, json.dumps({"url": url, "method": "GET", "body": {}, "headers": {}}), "")


def by_post(url: str, workspace: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Hook:
    """A call by POST as a hook: a program of its own, so that whatever it does, it ends when it must."""
    order = {"url": url, "body": dict(body), "headers": dict(headers or {})}
    return Hook(post.ARGV, json.dumps(order), workspace)


def run(station: Station, hook: Hook, times: Times) -> str | None:
    """None when it did what it was asked to; else why not. Nothing of it is left."""
    return heard(station, hook, times)[0]


def heard(station: Station, hook: Hook, times: Times) -> tuple[str | None, str]:
    """The same, and what it said, also when it was ended."""
    gone, said = _run(station, hook, times)
    return _judged(gone, said), said


def _judged(gone: Gone, said: str) -> str | None:
    if gone.by == "payload" and gone.code == 0:
        return None
    if gone.by == "payload":
        how = f"exit code {gone.code}" if gone.signal is None else f"signal {gone.signal}"
        return f"{how}: {said or 'it said nothing'}"
    return gone.error or _WHY.get(gone.by, gone.by)


_WHY = {
    "run_lease": "it took too long and was ended",
    "deadline": "it took too long and was killed",
    "abort": "its worker ends, and ended it",
    "lifeline": "its worker ended",
    "guard_lost": "its guard was killed; what was left of it was ended",
}


def _run(station: Station, hook: Hook, times: Times) -> tuple[Gone, str]:
    variables = {"SLOTBEAT_INSTALLATION": str(station.installation), "SLOTBEAT_WORKSPACE": hook.workspace}
    order = Run(
        argv=hook.argv,
        env=environment(os.environ, {}, variables),
        cwd=None,
        deadline=times.deadline + times.grace_s + _LOOK_EVERY_S,
        run_deadline=times.deadline,
        abort_grace_s=times.grace_s,
        token=0,
    )
    with guarded(station.guards) as payload:
        payload.start(order)
        with suppress(OSError):  # a pipe takes all of it at once; who does not read it does not want it
            os.write(payload.stdin, hook.stdin.encode())
        payload.end_of_input()
        return _until_gone(payload, Tail(hook.keeps))


def _until_gone(payload: Payload, words: Tail) -> tuple[Gone, str]:
    with selectors.DefaultSelector() as selector:
        for file in (payload.fileno(), payload.stdout, payload.stderr):
            selector.register(file, selectors.EVENT_READ)
        while (gone := payload.hear()) is None:
            for key, _ in selector.select(_LOOK_EVERY_S):
                if key.fd != payload.fileno() and not _read(key.fd, words):
                    selector.unregister(key.fd)
            payload.tend()
            if aside.is_ending():
                payload.abort("interrupted")
    for file in (payload.stdout, payload.stderr):
        _read(file, words)
    return gone, words.text().strip()


def _read(file: int, words: Tail) -> bool:
    """Whether there may be more."""
    try:
        chunk = os.read(file, _CHUNK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    words.add(chunk)
    return bool(chunk)
