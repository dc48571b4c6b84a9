"""The kind `celery`: a task of another app, which knows nothing of us, with a real worker of its own (RUN-4)."""

import json
import socket
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from shared.rules.allowed import Allowed
from tests.running import Start, Started
from tests.targets.conftest import VARIABLES, Ear, order, run, terms
from tests.waiting import until
from workers.calls import celery
from workers.calls.runner import Done, Failure
from workers.guards import Guards
from workers.targets import program

ROOT = Path(__file__).resolve().parents[2]


def test_a_task_of_another_app_is_awaited_and_revoked(
    guards: Guards, redis_url: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTS_BROKER_URL", redis_url)
    argv = [
        "python",
        "-m",
        "celery",
        "-A",
        "tests.targets.other_app",
        "worker",
        "-Q",
        "agents",
        "-c",
        "2",
        "-l",
        "info",
    ]
    worker = start(*argv, "-l", "info", "--without-mingle", "--without-gossip", cwd=ROOT)
    target = {"kind": "celery", "broker_url": {"$env": "AGENTS_BROKER_URL"}, "queue": "agents"}
    within = terms(allowed=Allowed(secrets=("AGENTS_*",)))
    until(lambda: worker.says("ready."), 50)

    done, events = run(guards, {**target, "task": "agents.report", "kwargs": {"title": "daily"}}, within)

    assert done.reason is None, done.error
    assert done.result == f"daily: do it (7, {VARIABLES['SLOTBEAT_FIRING_ID']})"
    assert (done.output_tokens, done.cost_micros) == (4, 70)
    assert done.remote_ref
    assert redis_url not in repr((done, events))

    failed, _ = run(guards, {**target, "task": "agents.fail"}, within)

    assert (failed.reason, failed.error) == ("rate_limited", "RuntimeError: 429 Too Many Requests")

    # A turn too many is an abort, and an abort revokes: the task writes no more.
    mark = tmp_path / "mark"
    talks = {**target, "task": "agents.talk", "kwargs": {"into": str(mark)}}
    breach, _ = run(guards, talks, terms(max_turns=3, allowed=within.allowed))

    assert (breach.reason, (breach.turns or 0) > 3) == ("turn_limit_exceeded", True)
    until(lambda: worker.says(f"Terminating {breach.remote_ref}"))

    mark.unlink()
    what_a_lost_worker_left_is_revoked_by_its_reference(worker, {**talks, "broker_url": redis_url}, mark)


def what_a_lost_worker_left_is_revoked_by_its_reference(worker: Started, target: dict[str, Any], mark: Path) -> None:
    left = order("celery", target, cancel="left-behind")
    with celery._sender(left.target) as app:
        celery._send(app, left, "left-behind")
    until(mark.exists)
    assert celery.call(left, None) == Done()  # pyright: ignore[reportArgumentType]
    until(lambda: worker.says("Terminating left-behind"))


def test_a_broker_that_is_away_may_come_back(guards: Guards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTS_BROKER_URL", "redis://127.0.0.1:1/0")
    target = {"kind": "celery", "broker_url": {"$env": "AGENTS_BROKER_URL"}, "task": "agents.report"}

    outcome, _ = run(guards, target, terms(allowed=Allowed(secrets=("AGENTS_*",))))

    assert outcome.reason == "target_error"


def test_an_abort_is_heard_while_the_results_keep_silent(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a library takes for trouble of its connection is tried again: an abort was, and the task ran on."""
    monkeypatch.setenv("AGENTS_BROKER_URL", redis_url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = {
            "kind": "celery",
            "broker_url": {"$env": "AGENTS_BROKER_URL"},
            "result_backend": f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
            "queue": "nobody",
            "task": "agents.report",
        }
        order = program(target, "do it", terms(allowed=Allowed(secrets=("AGENTS_*",))))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(order.argv, env=dict(order.env), **pipes) as runner:  # pyright: ignore[reportCallIssue, reportArgumentType]
            assert runner.stdin is not None
            runner.stdin.write(order.stdin)
            runner.stdin.close()
            runner.stdin = None
            silent.settimeout(30)
            asked, _ = silent.accept()
            with asked:
                runner.terminate()
                said, _ = runner.communicate(timeout=20)

    assert "The task was revoked." in said.decode()


def test_a_task_whose_results_cannot_be_read_is_revoked(redis_url: str) -> None:
    """The next attempt sends another one: the two would run side by side."""
    target = {"broker_url": redis_url, "result_backend": "redis://127.0.0.1:1/0", "queue": "nobody", "task": "x"}
    with Redis.from_url(redis_url) as redis, redis.pubsub() as revoked:
        revoked.psubscribe("/*.celery.pidbox")
        revoked.get_message(timeout=5)

        with pytest.raises(Failure, match="cannot be read"):
            celery.call(order("celery", target), Ear())  # pyright: ignore[reportArgumentType]

        told: Any = until(lambda: revoked.get_message(timeout=1))
    body = b64decode(json.loads(told["data"])["body"])
    assert json.loads(body)["method"] == "revoke"


def test_a_task_that_nobody_fetched_in_time_is_over(redis_url: str) -> None:
    """Who aborted it told only the workers that were up."""
    told = order("celery", {"broker_url": redis_url, "queue": "nobody", "task": "x"}, run_left_s=30.0)
    with celery._sender(told.target) as app:
        celery._send(app, told, "late")

    with Redis.from_url(redis_url) as redis:
        waiting: Any = redis.lrange("nobody", 0, -1)
    [message] = map(json.loads, waiting)
    assert message["headers"]["expires"] is not None


def test_turns_that_are_told_in_one_jump_are_all_counted() -> None:
    """Of more than a thousand the others were lost, and with them a budget that they exceed."""
    ear, told = Ear(), 0
    for _ in range(4):
        told = celery._tell({"turns": 2500}, told, ear)  # pyright: ignore[reportArgumentType]

    assert told == 2500
    assert [it["number"] for it in ear.said] == list(range(1, 2501))
