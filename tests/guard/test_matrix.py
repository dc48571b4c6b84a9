"""Hostile payloads of every kind at once, and a worker killed or frozen: none survives, nobody else is hurt."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.guard.conftest import NOBODY, Scene, Within
from tests.guard.scenes import LATE_S
from tests.proc import Process, descendants, is_alive
from tests.waiting import until
from workers import guard
from workers.strays import end_strays

# Long enough for every payload to have begun, on a busy machine.
DEADLINE_S = 8.0


@dataclass(frozen=True)
class Crowd:
    """A worker with its pids: the main process, the child that has the guards, and some of those below."""

    installation: str
    main: int
    child: int
    told: list[int]


@dataclass
class Stage:
    """Starts crowds, and sees who is left of them."""

    scene: Scene
    user: int | None
    within: Within | None
    before: frozenset[int]

    def crowd(self, deadline_s: float = LATE_S) -> Crowd:
        installation = str(uuid4())
        worker = self.scene(installation, str(deadline_s), user=self.user, within=self.within, module="crowd")
        assert worker.stdout is not None
        words = worker.stdout.readline().split()
        assert words[:1] == ["held"], words
        return Crowd(installation, worker.pid, int(words[1]), [int(it) for it in words[2:]])

    def left(self, *spared: int) -> list[Process]:
        """Who lives of all that was started, guards that wait for their worker apart."""
        return [
            it
            for it in descendants(os.getpid())
            if not it.is_zombie and it.pid not in {*self.before, *spared} and guard.MARK not in it.command.split()
        ]


@pytest.fixture(params=["own user", "nobody"])
def stage(scene: Scene, request: pytest.FixtureRequest) -> Stage:
    as_nobody = request.param == "nobody" and os.geteuid() == 0
    within = request.getfixturevalue("within_for_nobody") if as_nobody else None
    before = frozenset(it.pid for it in descendants(os.getpid()))
    return Stage(scene, NOBODY if as_nobody else None, within, before)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


ENDS: dict[str, Callable[[Crowd], list[int]]] = {
    "worker killed": lambda crowd: [crowd.main],
    "child killed": lambda crowd: [crowd.child],
    "both killed": lambda crowd: [crowd.main, crowd.child],
}


@pytest.mark.parametrize("end", ENDS)
def test_nobody_survives_a_worker_that_is_killed(stage: Stage, end: str) -> None:
    crowd = stage.crowd()

    begun = time.monotonic()
    for pid in ENDS[end](crowd):
        kill(pid)
    until(lambda: not stage.left(crowd.main, crowd.child))

    # A figure for people (`pytest -rP`): machines differ, and tests assert no durations.
    print(f"{end}: the last of them was gone after {1000 * (time.monotonic() - begun):.0f} ms")


def test_nobody_survives_the_deadline_of_a_worker_that_is_frozen(stage: Stage) -> None:
    """Its guards act without it, before anybody else may start the same firing."""
    begun = time.monotonic()
    crowd = stage.crowd(DEADLINE_S)
    frozen = (crowd.main, crowd.child)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    alive_then = len(stage.left(*frozen))

    until(lambda: not stage.left(*frozen), timeout_s=30)

    over = time.monotonic() - begun - DEADLINE_S
    print(f"worker frozen: the last of {alive_then} was gone {1000 * over:.0f} ms after the earliest deadline")
    assert all(is_alive(pid) for pid in frozen)


def test_of_two_installations_on_one_host_neither_touches_the_others(stage: Stage) -> None:
    """Strays of the one are ended; of the other, every guard and payload goes on."""
    ours, theirs = stage.crowd(), stage.crowd()
    lived = [pid for pid in theirs.told if is_alive(pid)]
    assert len(lived) > 10

    kill(ours.main)
    end_strays(ours.installation)
    until(lambda: not is_alive(ours.child) and not any(map(is_alive, ours.told)))

    assert end_strays(str(uuid4())) == 0
    assert [pid for pid in lived if not is_alive(pid)] == []
    kill(theirs.main)
    until(lambda: not stage.left())
