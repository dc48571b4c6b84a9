"""The Celery task of what was reaped is revoked too: a courtesy that shows in Flower."""

import json
from base64 import b64decode
from typing import Any

from redis import Redis

from tests.process.conftest import Fleet
from tests.process.test_reaper import age, running, sweep
from tests.process.test_reaper import station as station  # noqa: PLC0414 a fixture
from tests.waiting import until
from workers.station import Station


def test_the_celery_task_of_what_was_reaped_is_revoked_for_flower_to_see(fleet: Fleet, station: Station) -> None:
    with_task, without = running(fleet, "with a task"), running(fleet, "without")
    fleet.database.connection().execute("update attempts set celery_task_id = 'its-task' where token = %s", [with_task])
    with Redis.from_url(fleet.environment["REDIS_URL"]) as redis, redis.pubsub() as heard:
        heard.psubscribe("*pidbox*")
        until(lambda: heard.get_message(timeout=0.1))
        for token in (with_task, without):
            age(fleet, token, 9999)
        sweep(fleet, station, 3)

        told = until(lambda: [it for it in orders(heard) if it.get("method") == "revoke"])

    assert [it["arguments"]["task_id"] for it in told] == [["its-task"]]


def orders(heard: Any) -> list[dict[str, Any]]:
    """What was said to workers since the last look."""
    messages = iter(lambda: heard.get_message(timeout=0.1), None)
    bodies = [json.loads(it["data"])["body"] for it in messages if isinstance(it["data"], bytes)]
    return [json.loads(b64decode(it)) for it in bodies]
