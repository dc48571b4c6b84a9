"""Every process works as its own database role: what it needs, it has."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from shared.store.connection import connect
from tests.console.conftest import SLEEPS, Api, api_at
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import is_gone, running_payload, witness
from tests.store.test_roles import login
from tests.waiting import until

REFUSED = ("permission denied", "is not for")


class Cast:
    """Workers, beats and an API, each with its own login."""

    def __init__(self, fleet: Fleet, api: Api) -> None:
        url = fleet.environment["DATABASE_URL"]
        self.owner, self.api = fleet, api
        self.workers = replace(fleet, environment={**fleet.environment, "DATABASE_URL": login(url, "worker")})
        beats = replace(fleet, environment={**fleet.environment, "DATABASE_URL": login(url, "beat")})
        self.worker, self.beat = self.workers.worker, beats.beat

    def refusals(self) -> list[str]:
        lines = [line for it in self.owner.started for line in it.text.splitlines()]
        return [line for line in lines if any(words in line for words in REFUSED)]


@pytest.fixture
def cast(fleet: Fleet, database_url: str, redis_url: str) -> Iterator[Cast]:
    with api_at(login(database_url, "api"), redis_url) as api:
        made = Cast(fleet, api)
        yield made
        assert made.refusals() == []


def test_a_firing_is_made_claimed_run_and_completed(cast: Cast) -> None:
    cast.worker()
    cast.beat()
    workspace = UUID(cast.api.workspace())
    cast.owner.schedule(workspace, "due", ["sh", "-c", 'echo \'{"type": "turn"}\''])
    by_hand = cast.api.schedule(str(workspace), "by hand", target={"kind": "command", "argv": ["true"]})
    assert cast.api.ask("POST", f"/api/schedules/{by_hand['id']}/execute").status_code == 200

    assert cast.owner.ended(2) == [("by hand", "completed", None), ("due", "completed", None)]
    assert cast.owner.rows("select run_count, last_status from schedules") == [(1, "ok")] * 2


def test_a_failing_schedule_is_paused_and_a_broken_one_set_aside(cast: Cast) -> None:
    workspace = UUID(cast.api.workspace())
    cast.owner.schedule(workspace, "failing", ["false"], failure_streak=2)
    cast.owner.schedule(workspace, "broken", ["true"], timezone="Mars/Olympus")
    cast.worker()
    cast.beat()

    paused = "select name, paused_reason from schedules where status = 'paused' order by name"
    until(lambda: len(cast.owner.rows(paused)) == 2)

    assert cast.owner.rows(paused) == [("broken", "quarantined"), ("failing", "failure_streak")]
    told = {kind for (kind,) in cast.owner.rows("select kind from alerts")}
    assert told == {"auto_paused", "failed_after_last_attempt", "quarantined"}


def test_a_lost_workers_firing_is_reaped_and_run_again(cast: Cast, tmp_path: Path) -> None:
    cast.owner.schedule(UUID(cast.api.workspace()), "lost", witness(tmp_path / "pid"), max_attempts=2)
    worker = cast.worker("w1")
    cast.beat()
    payload = running_payload(cast.owner, tmp_path / "pid")

    worker.kill()
    until(lambda: is_gone(payload))
    cast.worker("w2")

    assert cast.owner.ended() == [("lost", "completed", None)]


def test_a_person_cancels_what_runs_and_what_waits(cast: Cast, tmp_path: Path) -> None:
    workspace = cast.api.workspace()
    argv = witness(tmp_path / "pid")
    made = cast.api.ask("POST", "/api/firings", json={"workspace_id": workspace, "target": {**SLEEPS, "argv": argv}})
    cast.worker()
    cast.beat()
    running_payload(cast.owner, tmp_path / "pid")
    assert cast.api.ask("PUT", "/api/limits/fleet", json={"cap": 1}).status_code == 200
    waiting = cast.api.ask("POST", "/api/firings?queue=true", json={"workspace_id": workspace, "target": SLEEPS})

    for it in (waiting, made):
        assert cast.api.ask("POST", f"/api/firings/{it.json()['firing_id']}/cancel").status_code in (200, 202)

    assert {status for _, status, _ in cast.owner.ended(2)} == {"cancelled"}


def test_a_new_firing_takes_the_place_of_the_one_that_runs(cast: Cast, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    schedule = cast.owner.schedule(UUID(cast.api.workspace()), "again", witness(pid), overlap="replace")
    cast.worker()
    cast.beat()
    running_payload(cast.owner, pid)
    with connect(cast.owner.environment["DATABASE_URL"]) as connection:
        again = "update schedules set next_run_at = now(), revision = revision + 1 where id = %s"
        connection.execute(again, [schedule])

    assert [it[1:] for it in cast.owner.ended(2)] == [("cancelled", "replaced"), ("completed", None)]


def test_a_gate_that_lost_its_memory_is_made_whole(cast: Cast) -> None:
    cast.worker()
    cast.beat()
    cast.owner.schedule(UUID(cast.api.workspace()), "before", ["true"])
    cast.owner.ended(1)

    cast.owner.admission.gate.redis.flushdb()
    cast.owner.schedule(cast.owner.rows("select id from workspaces")[0][0], "after", ["true"])

    assert [it[1] for it in cast.owner.ended(2)] == ["completed", "completed"]


def test_people_make_edit_pause_resume_and_remove(cast: Cast) -> None:
    api = cast.api
    workspace = api.workspace(cap=1)
    schedule = api.schedule(workspace)["id"]
    asked = [
        api.ask("PATCH", f"/api/schedules/{schedule}", json={"prompt": "another", "cron": "0 4 * * *"}),
        api.ask("POST", f"/api/schedules/{schedule}/pause"),
        api.ask("POST", f"/api/schedules/{schedule}/resume"),
        api.ask("PUT", "/api/limits/lane:model", json={"cap": 1}),
        api.ask("PUT", "/api/limits/fleet", json={"cap": 5}),
        api.ask("PUT", "/api/settings/reap_grace_s", json={"value": 16}),
        api.ask("GET", "/api/slots"),
        api.ask("GET", "/api/firings"),
        api.ask("GET", "/readyz"),
        api.ask("GET", "/"),
        api.ask("DELETE", "/api/limits/lane:model"),
        api.ask("DELETE", f"/api/schedules/{schedule}"),
        api.ask("DELETE", f"/api/workspaces/{workspace}"),
    ]

    assert [it.text for it in asked if it.status_code not in (200, 202, 204)] == []


def test_a_worker_may_not_write_the_cap_that_it_was_started_with_and_says_so(cast: Cast) -> None:
    cast.workers.environment["SLOTBEAT_MAX_CONCURRENT"] = "7"

    worker = cast.worker()

    until(lambda: worker.says("cap.not_written"))
    until(lambda: worker.says(" ready."))
    assert cast.owner.rows("select cap from limits") == [(2,)]
    [(served,)] = until(lambda: cast.owner.rows("select capacity from processes"))
    assert served > 0
