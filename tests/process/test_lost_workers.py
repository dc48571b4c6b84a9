"""Workers that die or freeze in mid-run: the payload ends with them, and the firing is not lost."""

import os
import signal
from pathlib import Path
from typing import Any

from shared.answers import Full
from shared.store import activity, firings
from tests.process.conftest import Fleet
from tests.waiting import until


def running_payload(fleet: Fleet, pid_file: Path) -> int:
    """Waits for a payload that wrote its pid."""
    until(lambda: pid_file.exists() and pid_file.read_text().strip())
    return int(pid_file.read_text())


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def witness(pid_file: Path) -> list[str]:
    """Hangs the first time, completes the second."""
    return ["sh", "-c", f"if [ -e {pid_file} ]; then exit 0; fi; echo $$ > {pid_file}; sleep 1000"]


def outcomes(fleet: Fleet) -> list[Any]:
    return fleet.rows("select outcome, failure_reason from attempts order by number")


def test_a_killed_worker_takes_its_payload_along_and_the_firing_runs_again(fleet: Fleet, tmp_path: Path) -> None:
    """REA-6; F1: kill -9 of a worker's main process in mid-run."""
    pid_file = tmp_path / "pid"
    fleet.schedule(fleet.workspace(), "lost", witness(pid_file), max_attempts=2)
    worker = fleet.worker("w1")
    fleet.beat()
    payload = running_payload(fleet, pid_file)

    worker.kill()
    until(lambda: is_gone(payload))
    fleet.worker("w2")

    assert fleet.ended() == [("lost", "completed", None)]
    assert outcomes(fleet) == [("requeued", "worker_lost"), ("completed", None)]
    [(first, second)] = fleet.rows("select min(token), max(token) from attempts")
    assert first < second
    assert fleet.rows("select count(*) from activity_logs where type = 'reaped'") == [(1,)]
    [(counts,)] = fleet.rows("select counts from cadence where name = 'slotbeat.reap'")
    assert counts["requeued_total"] == 1


def test_a_lost_worker_without_attempts_left_fails_the_firing(fleet: Fleet, tmp_path: Path) -> None:
    """REA-6."""
    pid_file = tmp_path / "pid"
    fleet.schedule(fleet.workspace(), "lost", witness(pid_file))
    worker = fleet.worker("w1")
    fleet.beat()
    running_payload(fleet, pid_file)

    worker.kill()
    fleet.worker("w2")

    assert fleet.ended() == [("lost", "failed", "worker_lost")]


def test_a_frozen_workers_payload_is_ended_by_its_guard_before_it_runs_elsewhere(fleet: Fleet, tmp_path: Path) -> None:
    """F4: SIGSTOP of the whole worker but its guards; the late result is fenced."""
    pid_file = tmp_path / "pid"
    fleet.schedule(fleet.workspace(), "frozen", witness(pid_file), max_attempts=2)
    worker = fleet.worker("w1")
    beat = fleet.beat()
    payload = running_payload(fleet, pid_file)
    frozen = [worker.pid, *(it.pid for it in worker.tree() if "-m workers" in it.command)]

    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: is_gone(payload))
    assert fleet.rows("select status from firings") == [("running",)]
    fleet.worker("w2")
    ended = fleet.ended()
    for pid in reversed(frozen):
        os.kill(pid, signal.SIGCONT)

    assert ended == [("frozen", "completed", None)]
    until(lambda: fleet.rows("select count(*) from attempts where late_result is not null") == [(1,)])
    assert outcomes(fleet) == [("requeued", "worker_lost"), ("completed", None)]
    assert fleet.rows("select status from firings") == [("completed",)]
    assert beat.running


def test_a_full_fleet_refuses_a_run_now_and_leaves_nothing_behind(fleet: Fleet) -> None:
    """MAN-1, with real holders."""
    workspace = fleet.workspace()
    for name in ("a", "b"):
        fleet.schedule(workspace, name, ["sleep", "100"])
    fleet.worker()
    fleet.beat()
    until(lambda: fleet.rows("select count(*) from firings where status = 'running'") == [(2,)])

    asked = by_hand(workspace)
    answer = fleet.admission.run_now(asked, activity.Deed("manual_run", "me", {}), queue=False)

    assert answer == Full("fleet", draining=False)
    assert fleet.rows("select count(*) from firings where id = %s", asked.id) == [(0,)]
    assert [it.state for it in fleet.admission.gate.states([asked.id])] == [""]


def test_a_forced_run_goes_past_the_cap_and_its_extra_slot_vanishes(fleet: Fleet) -> None:
    """MAN-2."""
    workspace = fleet.workspace()
    for name in ("a", "b"):
        fleet.schedule(workspace, name, ["sleep", "100"])
    fleet.worker()
    fleet.beat()
    until(lambda: fleet.rows("select count(*) from firings where status = 'running'") == [(2,)])

    asked = by_hand(workspace, forced=True)
    assert fleet.admission.run_now(asked, activity.Deed("manual_force_bypass", "me", {}), queue=False) is None

    until(lambda: fleet.rows("select status from firings where id = %s", asked.id) == [("completed",)], 20)
    assert fleet.rows("select count(*), count(token), count(*) filter (where forced) from slots") == [(2, 2, 0)]


def test_cancelling_a_running_firing_ends_its_payload(fleet: Fleet, tmp_path: Path) -> None:
    """MAN-4: the abort ladder, told by remote control for speed."""
    pid_file = tmp_path / "pid"
    fleet.schedule(fleet.workspace(), "wrong", witness(pid_file))
    fleet.worker()
    fleet.beat()
    payload = running_payload(fleet, pid_file)
    [(firing,)] = fleet.rows("select id from firings")

    deed = activity.Deed("cancelled", "me", {}, firing=firing)
    assert fleet.admission.cancel(firing, "cancelled", deed) == "aborting"

    assert fleet.ended() == [("wrong", "cancelled", "cancelled")]
    assert is_gone(payload)
    assert fleet.rows("select failure_streak, last_status from schedules") == [(0, "cancelled")]


def by_hand(workspace: Any, *, forced: bool = False) -> firings.ByHand:
    from uuid_utils.compat import uuid7

    return firings.ByHand(
        id=uuid7(),
        schedule_id=None,
        workspace_id=workspace,
        source="adhoc",
        title="by hand",
        prompt="",
        target={"kind": "command", "argv": ["true"]},
        priority=5,
        lane=None,
        forced=forced,
        max_turns=None,
        max_run_seconds=60,
        max_attempts=1,
        retry_backoff_s=0,
        schedule_revision=None,
    )


def test_a_deploy_interrupts_without_charging_and_the_firing_goes_on_elsewhere(fleet: Fleet, tmp_path: Path) -> None:
    """Deploy: SIGTERM, a grace, an abort; back to its old place in line."""
    pid_file = tmp_path / "pid"
    fleet.environment["SLOTBEAT_SHUTDOWN_GRACE_S"] = "0.3"
    fleet.schedule(fleet.workspace(), "long", witness(pid_file))
    old = fleet.worker("old")
    fleet.beat()
    payload = running_payload(fleet, pid_file)
    fleet.worker("new")

    old.send(signal.SIGTERM)

    assert old.wait(20) == 0
    assert is_gone(payload)
    assert fleet.ended() == [("long", "completed", None)]
    assert outcomes(fleet) == [("interrupted", None), ("completed", None)]
    assert fleet.rows("select attempt_count, interrupted_count from firings") == [(1, 1)]
    assert fleet.rows("select failure_streak from schedules") == [(0,)]


def test_a_worker_that_comes_back_reaps_its_former_self_at_once(fleet: Fleet, tmp_path: Path) -> None:
    """REA-10: by node name, boot and process, long before any lease is over; a neighbour is left alone."""
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "60"
    fleet.environment["SLOTBEAT_REAP_GRACE_S"] = "60"
    workspace = fleet.workspace()
    fleet.schedule(workspace, "lost", witness(tmp_path / "pid"), max_attempts=2)
    mine = fleet.worker("mine", "-Q", "firings", concurrency=1)
    fleet.beat()
    running_payload(fleet, tmp_path / "pid")
    fleet.schedule(workspace, "neighbour", witness(tmp_path / "other"))
    fleet.worker("neighbour")
    other = running_payload(fleet, tmp_path / "other")

    mine.kill()
    fleet.worker("mine", "-Q", "firings", concurrency=1)

    assert fleet.ended() == [("lost", "completed", None)]
    lost = "select outcome from attempts a join firings f on f.id = a.firing_id where title = 'lost' order by a.number"
    assert fleet.rows(lost) == [("requeued",), ("completed",)]
    assert not is_gone(other)
    assert fleet.rows("select status from firings where title = 'neighbour'") == [("running",)]
    assert fleet.rows("select node, count(*) from processes where kind = 'worker' group by node order by node") == [
        ("mine@test", 1),
        ("neighbour@test", 1),
    ]
