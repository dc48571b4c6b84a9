"""However a payload is built and however its run ends, nothing of it is left when the end is told."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.guard.conftest import NOBODY, Scene
from tests.guard.scenes import (
    ENDS,
    KINDS,
    a_run,
    argv,
    can_be,
    expected,
    play,
    until_it_says,
)
from tests.proc import descendants
from tests.waiting import until
from workers.guarded import guarded
from workers.guards import Guards

MATRIX = [(kind, end) for kind in KINDS for end in ENDS if can_be(kind, end)]


@pytest.mark.parametrize(("kind", "end"), MATRIX)
def test_nothing_is_left_when_the_end_is_told(kind: str, end: str, guards: Guards) -> None:
    gone, left = play(kind, end, guards)

    assert left == []
    assert gone is not None
    assert gone.by == expected(kind, end)


@pytest.mark.timeout(180)
def test_a_guard_needs_no_privilege(scene: Scene, request: pytest.FixtureRequest) -> None:
    if os.geteuid() != 0:
        worker = scene("all")
    else:
        worker = scene("all", user=NOBODY, within=request.getfixturevalue("within_for_nobody"))

    said, _ = worker.communicate()

    assert (worker.returncode, said) == (0, "")


def test_a_payload_that_ends_in_its_grace_ends_in_its_own_way(guards: Guards) -> None:
    trap = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with guarded(guards) as payload:
        payload.start(a_run(["sh", "-c", trap], grace_s=30))
        until_it_says(payload, b"ready")

        payload.abort("replaced")
        gone = payload.wait(20)

        assert gone is not None
        assert (gone.code, gone.signal, gone.by, gone.reason) == (5, None, "abort", "replaced")
        assert b"bye" in os.read(payload.stdout, 100)


def test_a_worker_is_not_woken_for_the_end_of_the_output_before_that_of_all(guards: Guards, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with guarded(guards) as payload:
        payload.start(a_run(["sh", "-c", f"exec >&- 2>&-; mkdir {closed}; read wait"]))
        until(closed.exists)

        for file in (payload.stdout, payload.stderr):
            with pytest.raises(BlockingIOError):
                os.read(file, 100)
        payload.end_of_input()
        gone = payload.wait(20)

        assert gone is not None
        assert (gone.code, gone.by) == (1, "payload")


def test_who_asked_first_is_the_cause(guards: Guards) -> None:
    with guarded(guards) as payload:
        payload.start(a_run(argv("deaf to signals"), run_s=1.5, grace_s=60, deadline_s=2))
        until_it_says(payload, b"ready")

        payload.abort("cancelled")
        payload.abort("replaced")
        gone = payload.wait(20)

        assert gone is not None
        assert (gone.signal, gone.by, gone.reason) == (signal.SIGKILL, "abort", "cancelled")


def test_leaving_the_block_ends_what_runs(guards: Guards) -> None:
    before = {process.pid for process in descendants(os.getpid())}
    with suppress(KeyError), guarded(guards) as payload:
        payload.start(a_run(argv("double-forked orphan")))
        until_it_says(payload, b"ready")
        raise KeyError

    everyone = descendants(os.getpid())
    assert [process for process in everyone if not process.is_zombie and process.pid not in before] == []
