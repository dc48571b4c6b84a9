"""The kind `celery`: a task of another app, which knows nothing of us, with a real worker of its own (RUN-4)."""

from pathlib import Path
from typing import Any

import pytest

from shared.rules.allowed import Allowed
from tests.running import Start, Started
from tests.targets.conftest import VARIABLES, order, run, terms
from tests.waiting import until
from workers.calls import celery
from workers.calls.runner import Done
from workers.guards import Guards

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
