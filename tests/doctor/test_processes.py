"""What the doctor says of workers, beats and the upkeep."""

import os
import signal
import subprocess
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from console.doctor import processes
from console.doctor.examine import Check
from shared.celery_app import REAP, RECONCILE
from shared.host import boot_id
from shared.store import cadence, roles
from shared.store.roles import User
from tests.doctor.conftest import Ward
from workers import tree

SENDS_AND_RUNS = ("slotbeat beat  # sends it", "slotbeat worker -Q maintenance  # runs it")
BOTH = pytest.mark.parametrize(
    ("check", "task"), [(processes.reaper, REAP), (processes.reconciler, RECONCILE)], ids=["reaper", "reconciler"]
)


def ran(ward: Ward, task: str, outcome: str = "ok", *, ago_s: float = 0) -> None:
    cadence.take(ward.rows.sql, task, 0)
    cadence.finish(ward.rows.sql, task, outcome, {})
    back = "update cadence set ran_at = ran_at - %s where name = %s returning name"
    ward.rows.all(back, timedelta(seconds=ago_s), task)


def waits(ward: Ward, seconds: float) -> str:
    """A firing that waits for so long with room; its id."""
    firing = ward.rows.firing()
    back = timedelta(seconds=seconds)
    ward.rows.all("update firings set queued_at = queued_at - %s returning id", back)
    ward.rows.all("update workspaces set updated_at = updated_at - %s returning id", back)
    ward.rows.all("update limits set updated_at = updated_at - %s returning key", back)
    return str(firing)


def test_without_a_worker_nothing_starts(ward: Ward) -> None:
    assert ward.one(processes.workers) == (
        "fail",
        "none lives: nothing starts, nothing is reaped",
        ("slotbeat worker",),
    )
    assert ward.told(processes.queues) == []


def test_a_worker_that_went_silent_is_named(ward: Ward) -> None:
    ward.process(node="w1@here")
    ward.process(node="w2@there", age_s=70)

    silent, others = ward.told(processes.workers)

    assert (silent.level, silent.words) == ("warn", "w2@there (pid 42) gave no sign for 70 s")
    assert silent.remedy == ("slotbeat worker",)
    assert others.level == "ok"


def test_a_silent_worker_that_is_still_there_on_this_host_is_told_with_its_own_remedy(ward: Ward) -> None:
    """Another worker would not end it: it would hang beside it."""
    with subprocess.Popen(["sleep", "1000"]) as child:
        seen = tree.look(child.pid)
        assert seen is not None
        ward.process(node="w1@here", age_s=70)
        ward.rows.all(
            "update processes set boot_id = %s, pid = %s, pid_start = %s returning id", boot_id(), child.pid, seen.start
        )
        there = ward.told(processes.workers)[0]
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        stopped = ward.told(processes.workers)[0]
        ward.rows.all("update processes set pid_start = pid_start + 1 returning id")
        another = ward.told(processes.workers)[0]
        ward.rows.all(
            "update processes set pid_start = pid_start - 1, facts = %s returning id",
            Jsonb({"pid_namespace": "pid:[1]"}),
        )
        contained = ward.told(processes.workers)[0]
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        ward.rows.all("update processes set facts = '{}' returning id")
        dead = ward.told(processes.workers)[0]

    assert there.remedy == (f"kill -9 {child.pid}  # guards end what it runs, and its supervisor starts another",)
    assert "is still there" in there.words
    assert stopped.remedy == (f"kill -CONT {child.pid}",)
    assert "stopped its process" in stopped.words
    assert another.remedy == contained.remedy == dead.remedy == ("slotbeat worker",)


def test_a_worker_whose_main_loop_stands_still_is_named(ward: Ward) -> None:
    ward.process(node="w1@here", facts={"loop_silent_s": 4})
    ward.process(node="w2@here", facts={"loop_silent_s": 30})

    stuck, others = ward.told(processes.workers)

    assert (stuck.level, stuck.words) == ("warn", "w2@here fetches nothing: its main loop stands still for 30 s")
    assert others.level == "ok"


def test_a_fleet_that_cannot_fill_its_cap_needs_more_processes_or_a_lower_cap(ward: Ward) -> None:
    ward.process(capacity=3)
    ward.rows.cap("fleet", 5)

    assert ward.one(processes.workers) == (
        "warn",
        "1 with 3 processes for firings cannot fill the fleet's cap of 5",
        ("slotbeat worker --concurrency 3  # one process is for maintenance", "slotbeat limit set fleet 3"),
    )
    ward.process(node="w2@here", capacity=2)
    assert ward.one(processes.workers)[:2] == ("ok", "2 with 5 processes for firings, cap 5")


def test_queues_that_no_worker_serves(ward: Ward) -> None:
    ward.process()

    found = ward.told(processes.queues)

    assert [(it.level, it.words, it.remedy) for it in found] == [
        ("fail", "no worker that answers serves firings", ("slotbeat worker -Q firings",)),
        ("fail", "no worker that answers serves maintenance", ("slotbeat worker -Q maintenance",)),
    ]


def test_without_a_beat_nothing_becomes_due(ward: Ward) -> None:
    ward.process("beat", age_s=20)
    gone = ("fail", "none lives: nothing becomes due, no maintenance is sent", ("slotbeat beat",))
    assert ward.one(processes.beat) == gone

    ward.process("beat", "another@here", age_s=4)
    assert ward.one(processes.beat)[:2] == ("ok", "1 alive")


@BOTH
def test_upkeep_that_never_ran(ward: Ward, check: Check, task: str) -> None:
    assert ward.one(check) == ("fail", "never ran", SENDS_AND_RUNS)


@BOTH
def test_upkeep_that_is_late(ward: Ward, check: Check, task: str) -> None:
    ran(ward, task, ago_s=29)
    assert ward.one(check)[0] == "ok"

    ran(ward, task, ago_s=40)
    assert ward.one(check) == ("fail", "its last pass began 40 s ago, it is due every 10 s", SENDS_AND_RUNS)


@BOTH
def test_upkeep_that_failed(ward: Ward, check: Check, task: str) -> None:
    ran(ward, task, "failed")

    level, words, remedy = ward.one(check)

    assert (level, words) == ("fail", "its last pass failed")
    assert remedy[0].startswith("grep -F .failed worker*.log")


def test_a_reaper_that_is_switched_off_by_a_setting_or_by_the_environment(ward: Ward) -> None:
    words = "it is switched off: a lost worker's firings keep their slots"
    ward.rows.all("insert into settings (key, value) values ('reaper_enabled', 'false') returning key")
    assert ward.one(processes.reaper) == ("warn", words, ("slotbeat settings reaper_enabled true",))

    ward.environ["SLOTBEAT_REAPER_ENABLED"] = "no"
    assert ward.one(processes.reaper) == ("warn", words, ("unset SLOTBEAT_REAPER_ENABLED",))


def test_a_reaper_that_workers_have_switched_off(ward: Ward) -> None:
    ran(ward, REAP, "disabled")

    assert ward.one(processes.reaper)[0] == "warn"


def test_a_firing_that_waits_where_there_is_room(ward: Ward) -> None:
    """Invariant 7."""
    firing = waits(ward, 16)
    ward.process()

    assert ward.one(processes.line) == (
        "fail",
        "t waits for over 15 s although there is room",
        (f"slotbeat firing show {firing}", "slotbeat worker -Q maintenance  # whose reconciler offers it again"),
    )


def test_a_firing_that_waits_for_a_slot_a_process_or_its_time_is_no_finding(ward: Ward) -> None:
    ward.process(capacity=1)
    waits(ward, 10)
    assert ward.one(processes.line)[0] == "ok"

    waits(ward, 20)
    ward.rows.cap("fleet", 0)
    ward.rows.all("update limits set updated_at = updated_at - interval '1 hour' returning key")
    assert ward.one(processes.line)[0] == "ok"

    ward.rows.all("update processes set facts = %s returning id", '{"leases": 1}')
    assert ward.one(processes.line)[1] == "every process for firings is taken"


def test_a_firing_that_starts_meanwhile_is_no_finding(ward: Ward) -> None:
    waits(ward, 16)
    ward.process()
    ward.patient.pause = lambda _: ward.rows.claim(ward.rows.one("select id from firings"))

    assert ward.one(processes.line)[0] == "ok"


def test_a_worker_that_runs_anything_for_others(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-3: on the machine of the servers that is as it should be."""
    ward.process(facts={"allows_any": ["commands"]})
    assert ward.one(processes.allowed) == ("ok", "anything, on this machine", ())

    far = [User("slotbeat worker", "slotbeat_worker_1", superuser=False, local=False)]
    monkeypatch.setattr(roles, "users", lambda _: far)

    assert ward.one(processes.allowed) == (
        "warn",
        "w1@here runs whatever commands a schedule names",
        ("export SLOTBEAT_ALLOWED_COMMANDS=  # there: names or patterns, see docs/targets.md",),
    )


def test_a_worker_that_cannot_surely_end_a_payload(ward: Ward) -> None:
    ward.process(facts={"ends_by": "subreaper"})
    assert ward.one(processes.guards)[0] == "ok"

    ward.process(node="mac@desk", facts={"ends_by": "process group"})
    assert ward.one(processes.guards) == (
        "warn",
        "mac@desk runs where a payload's daemons can outlive it (no subreaper)",
        ("docker compose up worker  # or another Linux",),
    )
