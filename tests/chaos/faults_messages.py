"""Faults of messages: lost, doubled, late, malformed. A message is a hint, so none of them may matter."""

import base64
import json
from random import Random
from typing import Any
from uuid import uuid4

from shared import celery_app
from shared.celery_app import EXECUTE, FIRINGS, MAINTENANCE, REAP, RECONCILE
from shared.clock import monotonic
from tests.chaos.faults import fault
from tests.chaos.faults_servers import broker
from tests.chaos.world import World


def a_firing(world: World, dice: Random, *statuses: str) -> str:
    found = world.rows("select id from firings where status = any(%s) limit 200", list(statuses))
    return str(dice.choice(found)[0] if found else uuid4())


@fault
def messages_lost(world: World, dice: Random) -> None:
    """Taken from the queue, for a second and a half, by a worker that dies with each."""
    with broker(world) as client:
        client.delete(FIRINGS, MAINTENANCE)
        until = monotonic() + 1.5
        while (left := until - monotonic()) > 0:
            client.brpop([FIRINGS], timeout=max(left, 0.05))


@fault
def messages_doubled(world: World, dice: Random) -> None:
    with broker(world) as client:
        for queue in (FIRINGS, MAINTENANCE):
            for message in client.lrange(queue, 0, 20):
                client.lpush(queue, *[message] * 5)


@fault
def hints_repeated(world: World, dice: Random) -> None:
    """Of firings that wait and of firings that run, all at once."""
    asked = [(a_firing(world, dice, "queued", "running"), "again") for _ in range(5)]
    celery_app.publish_firings(world.admission.app, asked * 5)


@fault
def hints_too_late(world: World, dice: Random) -> None:
    """A day late: their firings have ended, or never were."""
    asked = [(a_firing(world, dice, "completed", "failed", "cancelled"), "late") for _ in range(5)]
    celery_app.publish_firings(world.admission.app, [*asked, (str(uuid4()), "never was")])


@fault
def sweeps_piled_up(world: World, dice: Random) -> None:
    """A backlog of maintenance, which may judge no faster."""
    for task in (REAP, RECONCILE) * 20:
        celery_app.publish_maintenance(world.admission.app, task)


@fault
def messages_malformed(world: World, dice: Random) -> None:
    """Of the kinds that a worker survives."""
    bodies = [
        envelope(b"[[" + b"[" * 200, EXECUTE),
        envelope(json.dumps([["not a uuid"], {}, {}]).encode(), EXECUTE),
        envelope(json.dumps([[], {}, {}]).encode(), EXECUTE),
        envelope(json.dumps([[str(uuid4())], {"more": 1}, {}]).encode(), EXECUTE),
        envelope(json.dumps([[None], {}, {}]).encode(), EXECUTE),
        envelope(json.dumps([[str(uuid4())], {}, {}]).encode(), "no.such.task"),
        envelope(b"\xff\xfe\0", EXECUTE),
        envelope(json.dumps([[str(uuid4())], {}, {}]).encode(), EXECUTE, **{"content-type": "application/x-python"}),
    ]
    with broker(world) as client:
        client.lpush(FIRINGS, *dice.sample(bodies, len(bodies)))


@fault
def messages_hostile(world: World, dice: Random) -> None:
    """Of the kinds that end a worker of plain Celery, some of them for ever."""
    with broker(world) as client:
        client.rpush(FIRINGS, *dice.sample(list(HOSTILE.values()), 4))
        client.rpush(MAINTENANCE, *dice.sample(list(HOSTILE.values()), 4))


@fault
def remote_control_hostile(world: World, dice: Random) -> None:
    """Heard by all workers at once."""
    with broker(world) as client:
        for message in dice.sample(list(HOSTILE.values()), 4):
            client.publish(control_channel(client), message)


@fault
def messages_of_another_version(world: World, dice: Random) -> None:
    """From an older and from a newer sender: tasks and arguments that these workers do not have, Celery's old shape."""
    firing, unique = a_firing(world, dice, "queued", "running"), str(uuid4())
    options = {"callbacks": None, "errbacks": None, "chain": None, "chord": None, "new in this": [1]}
    older = {"task": EXECUTE, "id": unique, "args": [firing], "kwargs": {}, "retries": 0, "eta": None}
    bodies = [
        envelope(json.dumps([[firing, "more"], {}, options]).encode(), EXECUTE),
        envelope(json.dumps([[firing], {"lane": "x"}, options]).encode(), EXECUTE),
        envelope(json.dumps([[firing], {}, options]).encode(), "slotbeat.execute.v2"),
        envelope(json.dumps([[], {"workspace": firing}, options]).encode(), "slotbeat.sweep_of_the_future"),
        altered("headers", task=EXECUTE, version=9, argsrepr=None, stamps={}, shadow=None),
        envelope(json.dumps(older).encode(), EXECUTE, headers={}),
    ]
    with broker(world) as client:
        client.lpush(FIRINGS, *bodies)
        client.lpush(MAINTENANCE, *bodies)


@fault
def queue_of_the_wrong_type(world: World, dice: Random) -> None:
    queue = dice.choice([FIRINGS, MAINTENANCE])
    with broker(world) as client, client.pipeline() as both:
        both.delete(queue).set(queue, "no list").execute()


def control_channel(client: Any) -> str:
    """Where Celery's remote control is published, as kombu names it."""
    return f"/{client.get_connection_kwargs()['db']}.celery.pidbox"


def envelope(body: bytes, task: str, /, **over: Any) -> str:
    """A message as kombu writes it."""
    unique = str(uuid4())
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": unique, "root_id": unique, "retries": 0, "eta": None},
            "properties": {
                "correlation_id": unique,
                "delivery_mode": 2,
                "delivery_info": {"exchange": FIRINGS, "routing_key": FIRINGS},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": unique,
            },
            **over,
        }
    )


def altered(part: str, **over: Any) -> str:
    """One of ours, but for a header or a property."""
    made = json.loads(envelope(b"[[], {}, {}]", EXECUTE))
    made[part] |= over
    return json.dumps(made)


# Each ends a worker of plain Celery; those that it gave back to the queue end the next one too.
HOSTILE: dict[str, str | bytes] = {
    "a body that is no base64": envelope(b"", EXECUTE, body="%%%"),
    "a body that is an object": envelope(b'{"a": 1}', EXECUTE),
    "a body of two": envelope(b"[[], {}]", EXECUTE),
    "a body that is no text": envelope(b"", EXECUTE, body={"a": 1}),
    "time limits that are words": altered("headers", timelimit=["a", "b"]),
    "an id that is a list": altered("headers", id=[1]),
    "a task that is a list": altered("headers", task=["x"]),
    "not JSON": b"{not json",
    "not UTF-8": b"\xff\xfe{}",
    "null": b"null",
    "half a list": b"[1, 2",
    "a list": b"[1, 2]",
    "properties that are null": envelope(b"", EXECUTE, properties=None),
    "headers that are null": envelope(b"", EXECUTE, headers=None),
    "stamps that are a number": altered("headers", stamped_headers=5, stamps=7),
    "deeper than any parser goes": b"[" * 100_000,
}
