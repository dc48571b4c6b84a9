"""Messages that end a Celery worker, some for ever, and what becomes of ours: F20, F21."""

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from celery.worker import WorkController, state
from kombu import Connection
from kombu.asynchronous.semaphore import LaxBoundedSemaphore
from redis import Redis

from shared import celery_app
from shared.celery_app import EXECUTE, FIRINGS, MAINTENANCE
from shared.rules.messages import flaw
from tests.chaos.faults_messages import HOSTILE, control_channel, envelope
from tests.process.conftest import Fleet
from tests.waiting import until
from workers.sieve import contain

# Of our shape as far as we look; the transport contains what Celery raises.
CELERY_STUMBLES = "stamps that are a number"
SOUND = json.dumps([[str(uuid4())], {}, {}]).encode()


def test_no_message_ends_a_worker(fleet: Fleet) -> None:
    """Each of these alone ended a worker of Celery 5.7, half of them every worker after it too."""
    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    for message in HOSTILE.values():
        broker.lpush(FIRINGS, message)
        broker.lpush(MAINTENANCE, message)
    fleet.schedule(fleet.workspace(), "sound", ["true"])
    worker = fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("sound", "completed", None)]
    until(lambda: broker.llen(FIRINGS) == 0)
    assert worker.running
    assert worker.text.count("message.refused") == 2 * len(HOSTILE)
    until(lambda: broker.hlen("unacked") == 0)
    broker.close()


def test_no_remote_control_ends_a_worker(fleet: Fleet) -> None:
    """One message would be the end of all workers."""
    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    worker = fleet.worker()

    for message in sorted(HOSTILE.values(), key=len, reverse=True):  # Celery listens anew after some of them
        until(partial(_is_heard, broker, message), 30)

    ping = partial(fleet.admission.app.control.ping, timeout=1, limit=1)
    until(lambda: ping() == [{"w1@test": {"ok": "pong"}}], 15)
    assert worker.running
    broker.close()


def _is_heard(broker: Any, message: str | bytes) -> bool:
    return broker.publish(control_channel(broker), message) == 1


def test_a_queue_that_is_no_list_is_made_one_again(fleet: Fleet) -> None:
    """At the start of a worker, and while it serves."""
    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    broker.set(MAINTENANCE, "no list")
    worker = fleet.worker()
    until(lambda: worker.says("ready."), 30)
    broker.delete(FIRINGS)
    broker.set(FIRINGS, "no list")
    until(lambda: worker.text.count("queue.deleted") == 2)
    fleet.schedule(fleet.workspace(), "sound", ["true"])
    fleet.beat()

    assert fleet.ended() == [("sound", "completed", None)]
    assert worker.running
    broker.close()


@pytest.mark.parametrize("name", [it for it in HOSTILE if it != CELERY_STUMBLES])
def test_each_of_them_is_told_from_one_of_ours_where_it_can_be_read(name: str) -> None:
    try:
        message = json.loads(HOSTILE[name])
    except (ValueError, RecursionError):
        return
    assert flaw(message)


@pytest.mark.parametrize(
    "over",
    [
        {"headers": {"eta": "9999-12-31T23:59:59"}},
        {"headers": {"expires": "2020-01-01T00:00:00"}},
        {"headers": {"timelimit": [5, 1]}},
        {"headers": {"task": None}},
        {"content-type": "application/x-python-serialize"},
        {"content-encoding": "binary"},
        {"properties": {"delivery_tag": 5}},
        {"properties": {"delivery_info": {"exchange": FIRINGS}}},
        {"body": 5},
        {"body": None},
    ],
)
def test_what_is_not_of_our_shape_is_refused(over: dict[str, Any]) -> None:
    message = json.loads(envelope(SOUND, EXECUTE))
    assert flaw(message) is None

    for key, value in over.items():
        message[key] = {**message[key], **value} if isinstance(value, dict) else value

    assert flaw(message)


def test_what_our_own_app_sends_is_of_our_shape(fleet: Fleet) -> None:
    celery_app.publish_firings(fleet.admission.app, [(str(uuid4()), "a title\n\x1b")])
    celery_app.publish_maintenance(fleet.admission.app, celery_app.REAP)
    broker = Redis.from_url(fleet.environment["REDIS_URL"])

    for queue in (FIRINGS, MAINTENANCE):
        assert flaw(json.loads(broker.lindex(queue, 0) or b"")) is None
    broker.close()


def test_a_refused_message_costs_no_process(fleet: Fleet) -> None:
    """Celery counts a process as taken before it finds that it cannot give it the message."""
    broker = Redis.from_url(fleet.environment["REDIS_URL"])
    worker = fleet.worker("w1", "-Q", MAINTENANCE, concurrency=2)
    until(lambda: worker.says("ready."), 30)
    broker.lpush(MAINTENANCE, *[HOSTILE[CELERY_STUMBLES]] * 3)
    until(lambda: worker.text.count("message.refused") == 3)

    celery_app.publish_maintenance(fleet.admission.app, celery_app.RECONCILE)

    until(lambda: worker.says(" succeeded in "), 15)
    assert worker.running
    broker.close()


def test_what_raises_before_there_is_a_process_for_it_is_not_given_back_either(redis_url: str) -> None:
    def stumble(_: Any) -> None:
        raise TypeError("no list")

    with Redis.from_url(redis_url) as broker, Connection(redis_url, transport="workers.sieve:Transport") as connection:
        channel: Any = connection.default_channel
        channel.basic_consume(MAINTENANCE, no_ack=False, callback=stumble, consumer_tag="t")
        broker.lpush(MAINTENANCE, envelope(SOUND, EXECUTE))

        connection.drain_events(timeout=10)

        assert broker.llen(MAINTENANCE) == 0
        assert channel.qos._delivered.keys() <= channel.qos._dirty
        assert broker.hlen("unacked") == 0


class FewProcesses:
    """What Celery's worker does when it gives a message to a process, and it has one."""

    pool = None
    _process_task = WorkController._process_task
    give = WorkController._process_task_sem

    def __init__(self) -> None:
        self.free = LaxBoundedSemaphore(1)
        self._quick_acquire, self._quick_release = self.free.acquire, self.free.release


@dataclass(eq=False)
class Request:
    """As far as Celery and we look at one whose turn has come."""

    id: str
    error: Exception | None = None
    deeds: list[str] = field(default_factory=list)
    delivery_info: dict[str, str] = field(default_factory=lambda: {"routing_key": MAINTENANCE})

    def execute_using_pool(self, _: None) -> None:
        if self.error is not None:
            raise self.error
        self.deeds.append("executed")

    def reject(self, requeue: bool) -> None:
        self.deeds.append(f"rejected, requeue={requeue}")


def test_a_message_that_waited_for_a_process_ends_no_main_loop_as_it_gets_one() -> None:
    """Whatever frees the process gives it to who waits, where no transport catches anything."""
    worker = FewProcesses()
    contain(worker)
    first, stumbling, next_one = Request("1"), Request("2", TypeError("no list")), Request("3")
    for request in (first, stumbling, next_one):
        worker.give(request)
    assert (stumbling.deeds, next_one.deeds) == ([], [])
    state.reserved_requests.add(stumbling)

    worker.free.release()

    assert (stumbling.deeds, next_one.deeds) == (["rejected, requeue=False"], ["executed"])
    assert stumbling not in state.reserved_requests
    assert worker.free.value == 0


def test_a_broker_that_is_lost_meanwhile_is_no_fault_of_the_message() -> None:
    worker = FewProcesses()
    contain(worker)
    request = Request("1", ConnectionError("gone"))

    with pytest.raises(ConnectionError):
        worker.give(request)

    assert request.deeds == []


@pytest.mark.parametrize("option", ["callbacks", "errbacks", "chain", "chord"])
def test_a_message_that_calls_others_is_refused(option: str) -> None:
    """Celery looks at them in the main process when the one that executes it is killed."""
    assert flaw(json.loads(envelope(json.dumps([[], {}, {option: None}]).encode(), EXECUTE))) is None
    assert flaw(json.loads(envelope(json.dumps([[], {}, {option: 5}]).encode(), EXECUTE)))
