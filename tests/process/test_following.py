"""A process that has made room runs the next in line itself: no message, no waiting, nothing else changed."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeout

import workers.execute
from shared.celery_app import EXECUTE, FIRINGS
from shared.store import activity
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import by_hand
from tests.waiting import until
from workers import chain, room, shop
from workers.chain import execute
from workers.owed import Owed
from workers.station import Station


@pytest.fixture
def broker(fleet: Fleet) -> Iterator[Redis]:
    shop.open_up()
    with Redis.from_url(fleet.environment["REDIS_URL"]) as client:
        yield client
    shop.open_up()


def in_line(fleet: Fleet, *names: str) -> list[UUID]:
    """Under a cap of one: the first has the slot, the others wait behind it."""
    fleet.admission.set_cap("fleet", 1, "test")
    fleet.admission.ask(lambda gate: gate.renew("w", 9, 60_000, []))
    workspace = fleet.workspace()
    made = [replace(by_hand(workspace), title=name, target=command("true")) for name in names]
    for it in made:
        fleet.admission.run_now(it, activity.Deed("run", "test", {}), queue=True)
    return [it.id for it in made]


def command(*argv: str) -> dict[str, Any]:
    return {"kind": "command", "argv": list(argv)}


def statuses(fleet: Fleet) -> list[tuple[str, str]]:
    return fleet.rows("select title, status from firings order by title")


def told_to_stop_before(monkeypatch: pytest.MonkeyPatch, owner: object, step: str) -> None:
    """The worker is told to stop as this step begins."""
    really = getattr(owner, step)

    def stopped(*given: Any) -> Any:
        shop.close()
        return really(*given)

    monkeypatch.setattr(owner, step, stopped)


def test_one_message_brings_about_all_that_its_slot_has_room_for_in_line_order(
    fleet: Fleet, station: Station, broker: Redis
) -> None:
    first, *_ = in_line(fleet, "a", "b", "c")

    assert execute(station, first, "celery-1") == "completed"

    assert statuses(fleet) == [("a", "completed"), ("b", "completed"), ("c", "completed")]
    assert broker.llen(FIRINGS) == 1, "the message of the first alone"
    started = fleet.rows("select f.title from attempts a join firings f on f.id = a.firing_id order by a.claimed_at")
    assert started == [("a",), ("b",), ("c",)]
    [(ids,)] = fleet.rows("select count(distinct celery_task_id) from attempts")
    assert ids == 3, "a revoked id is never run again, so each attempt has its own"
    usage = fleet.admission.ask(lambda gate: gate.usage())
    assert (usage.limits[0].used, usage.waiting, usage.reserved) == (0, 0, 0)
    assert fleet.rows("select count(token) from slots") == [(0,)]


def test_a_worker_that_closes_begins_nothing_more_and_sends_the_message(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = in_line(fleet, "a", "b")
    told_to_stop_before(monkeypatch, workers.execute, "execute_target")
    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "completed"), ("b", "queued")]
    assert broker.llen(FIRINGS) == 2
    assert [it.state for it in fleet.admission.ask(lambda gate: gate.states([second]))] == ["reserved"]


def test_now_and_then_celery_has_its_process_back(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "LONGEST_CHAIN", 2)
    first, *_ = in_line(fleet, "a", "b", "c")

    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "completed"), ("b", "completed"), ("c", "queued")]
    assert broker.llen(FIRINGS) == 2


@pytest.mark.parametrize(("exit_code", "becomes"), [(0, "completed"), (124, "queued")])
def test_a_schedule_that_runs_one_at_a_time_goes_on_in_the_same_process(
    fleet: Fleet, station: Station, broker: Redis, exit_code: int, becomes: str
) -> None:
    """Nobody waits in line when the slot is freed: the next one may start only because this one has ended.

    Or because it waits, for the next of its attempts.
    """
    fleet.admission.ask(lambda gate: gate.renew("w", 9, 60_000, []))
    workspace = fleet.workspace()
    schedule = fleet.schedule(workspace, "s", ["true"], overlap="queue_all", due_in_s=9999)
    ends = {"a": command("sh", "-c", f"exit {exit_code}"), "b": command("true")}
    firings = [replace(by_hand(workspace), title=title, target=target) for title, target in ends.items()]
    for it in firings:
        made = replace(it, schedule_id=schedule, source="adhoc", max_attempts=2, retry_backoff_s=300)
        fleet.admission.run_now(made, activity.Deed("run", "test", {}), queue=True)
    fleet.admission.withdraw([firings[1].id])

    execute(station, firings[0].id, "celery-1")

    assert statuses(fleet) == [("a", becomes), ("b", "completed")]


def test_a_take_whose_answer_is_lost_is_found_by_asking_again(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = in_line(fleet, "a", "b", "c")
    gate, lost = station.admission.gate, list[UUID | None]()
    really = gate.release_and_take

    def answer_lost_once(*given: Any) -> Any:
        told = really(*given)
        if not lost:
            lost.append(told[1])
            raise RedisTimeout("Timeout reading from socket")
        return told

    monkeypatch.setattr(gate, "release_and_take", answer_lost_once)
    execute(station, first, "celery-1")

    assert lost != [None]
    assert statuses(fleet) == [("a", "completed"), ("b", "completed"), ("c", "completed")]
    assert broker.llen(FIRINGS) == 1


def test_a_worker_that_closes_while_it_takes_the_next_one_puts_it_back(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it claimed now would not be marked as interrupted by a deploy, and would be charged if it is killed."""
    first, second = in_line(fleet, "a", "b")
    gate = station.admission.gate
    told_to_stop_before(monkeypatch, gate, "release_and_take")
    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "completed"), ("b", "queued")]
    assert [it.state for it in gate.states([second])] == ["reserved"]
    assert broker.llen(FIRINGS) == 2


def test_what_an_end_owes_is_done_although_the_next_one_cannot_be_claimed(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = in_line(fleet, "a", "b")
    paid = list[str]()
    monkeypatch.setattr(chain, "pass_on", lambda _, attempt, __: paid.append(attempt.title) or [])
    claim = chain.claim

    def gate_is_gone(*given: Any) -> Any:
        if len(given) > 3:
            raise RedisTimeout("Timeout connecting to server")
        return claim(*given)

    monkeypatch.setattr(chain, "claim", gate_is_gone)
    with pytest.raises(RedisTimeout):
        execute(station, first, "celery-1")

    assert paid == ["a"]


def test_a_worker_finds_by_index_what_statistics_call_an_empty_table(
    fleet: Fleet, station: Station, broker: Redis
) -> None:
    """Plans are kept for a session: one that reads a whole table, because it was small, is quadratic in the end."""
    first, *_ = in_line(fleet, "a", "b", "c")
    before = read_from_end_to_end(fleet)

    execute(station, first, "celery-1")
    station.database.connection().execute("select pg_stat_force_next_flush()")

    assert read_from_end_to_end(fleet) == before
    assert statuses(fleet) == [("a", "completed"), ("b", "completed"), ("c", "completed")]


def read_from_end_to_end(fleet: Fleet) -> list[tuple[str, int]]:
    fleet.rows("select pg_stat_force_next_flush()")
    return fleet.rows(
        "select relname::text, seq_scan from pg_stat_user_tables"
        " where relname in ('firings', 'attempts', 'schedules', 'activity_logs', 'alerts') order by 1"
    )


def test_after_a_minute_celery_has_its_process_back(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever limits the time or the number of Celery's tasks means one firing, or little more."""
    monkeypatch.setattr(chain, "LONGEST_CHAIN_S", 0.0)
    first, *_ = in_line(fleet, "a", "b")

    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "completed"), ("b", "queued")]
    assert broker.llen(FIRINGS) == 2


def test_a_worker_that_is_told_to_stop_by_remote_control_begins_nothing_more(
    fleet: Fleet, tmp_path: Path, broker: Redis
) -> None:
    """Celery sends no signal of its own then; the firing that runs ends, as it would for SIGTERM."""
    fleet.admission.set_cap("fleet", 1, "test")
    workspace, go = fleet.workspace(), tmp_path / "go"
    for name in "ab":
        waits = f"touch {tmp_path}/{name}; while [ ! -e {go} ]; do sleep 0.05; done"
        made = replace(by_hand(workspace), title=name, target=command("sh", "-c", waits))
        fleet.admission.run_now(made, activity.Deed("run", "test", {}), queue=True)
    worker = fleet.worker("w1", "-Q", FIRINGS, concurrency=1)
    until((tmp_path / "a").exists)

    fleet.admission.app.control.shutdown(destination=["w1@test"])
    until(lambda: worker.says("worker.closing"))
    go.touch()

    assert worker.wait(30) == 0
    assert statuses(fleet) == [("a", "completed"), ("b", "queued")]


def test_a_debt_that_cannot_be_paid_stops_no_payload_and_no_other_debt() -> None:
    owed, paid = Owed(), list[str]()
    owed.add(lambda: paid.append("before"))
    owed.add(lambda: 1 // 0)
    owed.add(lambda: paid.append("after"))

    owed.pay()
    owed.pay()

    assert paid == ["before", "after"]


def test_monitors_are_told_of_firings_that_came_without_a_message(
    fleet: Fleet, station: Station, broker: Redis
) -> None:
    """OBS-5."""
    first, second = in_line(fleet, "a", "b")
    told: list[dict[str, Any]] = []
    with station.admission.app.connection_for_read() as connection:
        receiver = station.admission.app.events.Receiver(connection, handlers={"*": told.append})
        watching = threading.Thread(target=lambda: receiver.capture(limit=2, timeout=20, wakeup=False))
        watching.start()
        until(lambda: broker.pubsub_channels("*celeryev*") or broker.pubsub_numpat())

        execute(station, first, "celery-1")
        watching.join()

    kinds = [(it["type"], it["uuid"] == "celery-1") for it in told]
    assert kinds[:3] == [("task-succeeded", True), ("task-received", False), ("task-started", False)]
    assert told[[it["type"] for it in told].index("task-succeeded")]["result"] == repr("completed")
    received = next(it for it in told if it["type"] == "task-received")
    assert (received["name"], received["args"]) == ("b", repr((str(second),)))


def test_a_firing_that_runs_takes_room_whatever_its_title(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery calls a request by its shadow, which is the firing's title."""

    class Request:
        name, type = "nightly digest", EXECUTE

    monkeypatch.setattr(room.state, "reserved_requests", [Request()])

    assert not room.Room(lambda: 1, lambda: True).is_free()
    assert room.Room(lambda: 2, lambda: True).is_free()
