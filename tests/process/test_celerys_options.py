"""The options that anybody who knows Celery would give: each holds, or is refused with what to do in its place."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.proc import is_alive
from tests.process.conftest import ROOT, Fleet
from tests.running import Start
from tests.waiting import until

NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
CELERY = Path(sys.executable).with_name("celery")
WORKER = (CELERY, "-A", "workers", "worker")
BEAT = (CELERY, "-A", "beat", "beat")


@pytest.mark.parametrize(
    ("argv", "remedy"),
    [
        ((*WORKER, "--pool=threads", "-c", "4"), "Leave out --pool"),
        ((*WORKER, "--pool=solo", "-Q", "firings"), "Leave out --pool"),
        ((*WORKER, "--pool-start-method=spawn"), "Leave it out"),
        ((*WORKER, "--autoscale=4,1"), "--concurrency N, or start more workers"),
        ((*WORKER, "--time-limit=60"), "slotbeat schedule edit NAME --max-run-seconds N"),
        ((*WORKER, "--soft-time-limit=60"), "slotbeat schedule edit NAME --max-run-seconds N"),
        ((*WORKER, "-B"), "celery -A beat beat"),
        ((*WORKER, "-Q", "firing"), "There is no queue 'firing'. -Q takes firings, maintenance or both."),
        ((*WORKER, "-X", "celery"), "There is no queue 'celery'."),
        ((*WORKER, "-c", "1"), "--concurrency 2 or more"),
        (("python", "-m", "workers", "--pool=threads"), "Leave out --pool"),
        ((CELERY, "-A", "beat", "worker"), "celery -A workers worker"),
        ((CELERY, "-A", "workers", "beat"), "celery -A beat beat"),
        ((*BEAT, "-S", "celery.beat:Scheduler"), "no other --scheduler"),
    ],
)
def test_what_cannot_hold_is_refused_at_once_with_what_to_do(
    argv: tuple[str | Path, ...], remedy: str, start: Start
) -> None:
    """A worker with such an option would run, and lose firings or leave them lying; a beat would make nothing due."""
    refused = start(*argv, env={**NOWHERE, "PYTHONPATH": str(ROOT)})

    assert refused.wait(30) == 1
    assert remedy in refused.text
    assert "Traceback" not in refused.text


@pytest.mark.parametrize("argv", [WORKER, BEAT, (CELERY, "-A", "workers", "flower")])
def test_without_an_address_there_is_one_line_and_no_traceback(argv: tuple[str | Path, ...], start: Start) -> None:
    nowhere = start(*argv, env={"DATABASE_URL": "", "REDIS_URL": "", "PYTHONPATH": str(ROOT)})

    assert nowhere.wait(30) == 1
    assert nowhere.text.splitlines() == [
        "DATABASE_URL is not set: set it, or run `slotbeat up`, which brings its own servers."
    ]


@pytest.mark.parametrize(
    "argv",
    [
        ("--pool=prefork", "--concurrency=3", "-E", "-O", "fair", "-Q", "firings,maintenance"),
        ("--max-tasks-per-child=1", "--prefetch-multiplier=8", "--without-heartbeat", "-X", "maintenance"),
    ],
)
def test_what_any_user_of_celery_gives_holds(argv: tuple[str, ...], fleet: Fleet) -> None:
    workspace = fleet.workspace()
    for number in range(3):
        fleet.schedule(workspace, f"s{number}", ["true"])
    fleet.worker("w1", *argv)
    fleet.beat()

    assert [status for _, status, _ in fleet.ended(3)] == ["completed"] * 3


def test_a_worker_that_is_sent_to_the_background_is_there(fleet: Fleet, tmp_path: Path) -> None:
    fleet.schedule(fleet.workspace(), "hello", ["true"])
    fleet.beat()
    pid, log = tmp_path / "worker.pid", tmp_path / "worker.log"
    front = fleet.worker("w1", "--detach", f"--pidfile={pid}", f"--logfile={log}")
    try:
        assert front.wait(30) == 0
        assert fleet.ended() == [("hello", "completed", None)], log.read_text()

        os.kill(behind := int(pid.read_text()), signal.SIGTERM)
        until(lambda: not is_alive(behind))
    finally:
        with suppress(OSError, ValueError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
