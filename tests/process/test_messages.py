"""A Celery message is a hint: lost, doubled, late or hostile, it changes nothing that the rows do not say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis

from shared import celery_app
from shared.celery_app import EXECUTE, FIRINGS, MAINTENANCE, make_app
from shared.settings import Settings
from shared.store import activity
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import by_hand, running_payload, witness
from tests.waiting import until
from workers.chain import execute
from workers.outcome import Outcome
from workers.settle import settle
from workers.station import Station


def test_a_message_carries_ids_only_and_goes_to_its_own_queue(fleet: Fleet) -> None:
    app = make_app("sender")
    firing = str(uuid4())

    celery_app.publish_firings(app, [(firing, "nightly digest")])
    celery_app.publish_maintenance(app, celery_app.REAP)

    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    assert (broker.llen(FIRINGS), broker.llen(MAINTENANCE)) == (1, 1)
    message = json.loads(broker.lindex(FIRINGS, 0) or b"")
    assert message["content-type"] == "application/json"
    assert message["headers"]["shadow"] == "nightly digest"
    assert message["headers"]["argsrepr"] == f"['{firing}']"
    assert message["headers"]["eta"] is None
    broker.close()
    celery_app.close_app(app)


def test_a_message_that_comes_five_times_runs_its_firing_once(fleet: Fleet) -> None:
    """F19."""
    fleet.schedule(fleet.workspace(), "once", ["sleep", "0.3"])
    fleet.beat()
    until(lambda: fleet.rows("select count(*) from firings") == [(1,)])
    [(firing,)] = fleet.rows("select id from firings")
    celery_app.publish_firings(fleet.admission.app, [(str(firing), "again")] * 5)
    worker = fleet.worker()

    assert fleet.ended() == [("once", "completed", None)]
    celery_app.publish_firings(fleet.admission.app, [(str(firing), "a day late")])
    until(lambda: worker.text.count("'not claimed'") >= 3)

    assert fleet.rows("select count(*) from attempts") == [(1,)]


def test_a_lost_message_is_sent_again(fleet: Fleet) -> None:
    """F18: the reconciler publishes what is reserved and unclaimed."""
    fleet.schedule(fleet.workspace(), "lost", ["true"])
    fleet.admission.ask(lambda gate: gate.renew("a worker that never was", 1, 60_000, []))
    fleet.beat()
    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    until(lambda: broker.llen(FIRINGS) == 1)
    broker.delete(FIRINGS)
    broker.close()
    fleet.worker()

    assert fleet.ended() == [("lost", "completed", None)]
    [(counts,)] = fleet.rows("select counts from cadence where name = 'slotbeat.reconcile'")
    assert counts["published_again_total"] >= 1


def test_a_gate_that_lost_its_memory_is_rebuilt_and_what_runs_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    """F11, F12: FLUSHALL with one running and four waiting; the cap holds and everything ends."""
    workspace = fleet.workspace()
    fleet.admission.set_cap("fleet", 1, "test")
    fleet.schedule(workspace, "first", witness(tmp_path / "pid"), priority=0, max_run_seconds=4)
    for number in range(3):
        fleet.schedule(workspace, f"later {number}", ["true"])
    fleet.worker()
    fleet.beat()
    running_payload(fleet, tmp_path / "pid")

    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    broker.flushdb()
    broker.close()
    until(lambda: fleet.admission.gate.current_epoch() is not None)

    ended = fleet.ended(4)
    assert [status for _, status, _ in ended] == ["failed", "completed", "completed", "completed"]
    overlaps = fleet.rows(
        "select count(*) from attempts a join attempts b on a.token < b.token"
        " and a.claimed_at < b.ended_at and b.claimed_at < a.ended_at"
    )
    assert overlaps == [(0,)]


def test_pickle_is_refused_and_the_worker_lives(fleet: Fleet, tmp_path: Path) -> None:
    """SEC-2."""
    proof = tmp_path / "executed"
    app = make_app("hostile")
    app.conf.task_serializer = "pickle"
    app.conf.accept_content = ["pickle"]
    app.send_task(EXECUTE, args=[_Bomb(str(proof))], serializer="pickle", queue=FIRINGS)
    celery_app.close_app(app)
    fleet.schedule(fleet.workspace(), "sound", ["true"])
    worker = fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("sound", "completed", None)]
    assert worker.running
    assert not proof.exists()


class _Bomb:
    """Writes a file wherever it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_what_was_held_by_one_that_ends_meanwhile_is_in_line_again(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who ends offers it a moment before it is given back: the gate knows it still, and would forget it then."""
    workspace, gate = fleet.workspace(), station.admission.gate
    of = {"schedule_id": fleet.schedule(workspace, "s", ["true"], overlap="queue_all", due_in_s=9999)}
    running, behind = fleet.claimed(workspace, **of), replace(by_hand(workspace), **of)
    fleet.admission.run_now(behind, activity.Deed("run", "test", {}), queue=True)
    really = gate.release

    def released(*leased: UUID) -> Any:
        settle(fleet.database, running.token, Outcome(None), Settings())
        assert fleet.admission.offer_next_of([of["schedule_id"]]) == 1
        return really(*leased)

    monkeypatch.setattr(gate, "release", released)
    execute(station, behind.id, "celery-1")

    assert [it.state for it in gate.states([behind.id])] == ["waiting"]
    assert fleet.rows("select count(*) from firings where status = 'running'") == [(0,)]
