"""Pool children that are killed: what they had is found at once, whatever the lease, and their worker goes on."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import psycopg
import pytest

from tests.process.conftest import Fleet
from tests.process.test_lost_workers import is_gone, outcomes, running_payload, witness
from tests.receiver import Receiver
from tests.waiting import until


def test_a_killed_pool_child_loses_its_payload_and_the_worker_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    """F2."""
    pid_file = tmp_path / "pid"
    fleet.schedule(fleet.workspace(), "lost", witness(pid_file), max_attempts=2)
    worker = fleet.worker("w1", concurrency=3)
    fleet.beat()
    payload = running_payload(fleet, pid_file)
    [guard] = [it for it in worker.tree() if any(p.parent == it.pid and p.pid == payload for p in worker.tree())]

    os.kill(guard.parent, SIGKILL)

    until(lambda: is_gone(payload))
    assert fleet.ended() == [("lost", "completed", None)]
    assert worker.running


def test_a_killed_pool_childs_firing_is_tried_again_long_before_its_lease_is_over(fleet: Fleet, tmp_path: Path) -> None:
    """Its guard ends the payload and says so; only the word of a guard whose parent is gone counts."""
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "600"
    pid_file = tmp_path / "pid"
    fleet.schedule(fleet.workspace(), "lost", witness(pid_file), max_attempts=2, retry_backoff_s=0)
    worker = fleet.worker("w1", concurrency=3)
    fleet.beat()
    payload = running_payload(fleet, pid_file)
    [guard] = [it for it in worker.tree() if any(p.parent == it.pid and p.pid == payload for p in worker.tree())]

    os.kill(guard.parent, SIGKILL)

    assert fleet.ended() == [("lost", "completed", None)]
    assert outcomes(fleet) == [("requeued", "worker_lost"), ("completed", None)]
    assert is_gone(payload)


def test_a_pool_child_that_dies_between_exit_and_settle_holds_no_slot_for_long(fleet: Fleet) -> None:
    """SLT-7: its settle waits for a row as it dies; its last payload's guard, idle by then, says whose that was."""
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = fleet.environment["SLOTBEAT_EXIT_GRACE_S"] = "600"
    schedule = fleet.schedule(fleet.workspace(), "done", ["sleep", "0.2"])
    worker = fleet.worker("w1", concurrency=3)
    fleet.beat()
    until(lambda: fleet.rows("select status from firings") == [("running",)])
    with psycopg.connect(fleet.environment["DATABASE_URL"]) as other:
        other.execute("select from schedules where id = %s for update", [schedule])
        until(lambda: fleet.rows("select exit_code from attempts") == [(0,)])
        for child in [it.pid for it in worker.tree() if it.parent == worker.pid and "-m workers" in it.command]:
            os.kill(child, SIGKILL)

    assert fleet.ended() == [("done", "completed", None)]
    assert outcomes(fleet) == [("completed", None)]
    assert fleet.rows("select count(token) from slots") == [(0,)]


def has_signed(fleet: Fleet, times: int) -> None:
    """Waits until the worker's keeper has made so many rounds."""
    signed = "select seen_at from processes where kind = 'worker'"
    for _ in range(times):
        before = fleet.rows(signed)
        until(lambda before=before: fleet.rows(signed) != before)


@pytest.mark.parametrize(("to_guards", "to_child"), [(SIGKILL, SIGSTOP), (SIGSTOP, SIGKILL)])
def test_a_pool_child_that_dies_between_claim_and_start_holds_no_slot_until_its_lease_is_over(
    fleet: Fleet, receiver: Receiver, to_guards: signal.Signals, to_child: signal.Signals
) -> None:
    """No guard has heard of the payload. Its keeper misses the child, once no guard is left that may begin it yet."""
    fleet.environment |= {"SLOTBEAT_LEASE_SECONDS": "8", "SLOTBEAT_REAP_GRACE_S": "600"}
    looked, answer = threading.Event(), threading.Event()
    # Such a workspace is asked before each payload, and the child waits for it with its claim.
    receiver.answer = lambda _: 200 if looked.set() or answer.wait(60) else 500
    fleet.schedule(fleet.workspace(health_url=receiver.address), "lost", ["true"], max_attempts=2, retry_backoff_s=0)
    worker = fleet.worker("w1", concurrency=2)
    fleet.beat()
    assert looked.wait(30)

    [(child,)] = fleet.rows("select (worker ->> 'child')::int from attempts")
    guards = [it.pid for it in worker.tree() if it.parent == child]
    for pid, number in [*((it, to_guards) for it in guards), (child, to_child)]:
        os.kill(pid, number)
    has_signed(fleet, 2)
    assert outcomes(fleet) == [(None, None)], "it may begin yet"
    for pid, number in [*((it, SIGCONT) for it in guards), (child, SIGKILL)]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    receiver.answer = 200
    answer.set()

    assert fleet.ended() == [("lost", "completed", None)]
    assert outcomes(fleet) == [("requeued", "worker_lost"), ("completed", None)]
    assert worker.running
