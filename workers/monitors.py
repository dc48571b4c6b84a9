"""Tells Celery's monitors, such as Flower, of firings that came without a message of their own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from celery.events.event import Event, get_exchange
from celery.utils.time import utcoffset
from kombu.exceptions import OperationalError

from shared.clock import now
from shared.events import trouble
from workers.station import Station


@dataclass(frozen=True)
class News:
    """One event of a task, of the kind that the main process tells of tasks that came by message."""

    kind: str
    celery_id: str
    about: dict[str, Any]
    at: float = field(default_factory=lambda: now().timestamp())


def began(celery_id: str, title: str, firing: str) -> list[News]:
    """A task under an id that no message has: received, and started."""
    about = {"name": title[:200], "args": repr((firing,)), "kwargs": "{}", "root_id": celery_id, "parent_id": None}
    received = News("task-received", celery_id, {**about, "retries": 0, "eta": None, "expires": None})
    return [received, News("task-started", celery_id, {})]


def ended(celery_id: str, told: str, runtime_s: float) -> News:
    """It is over, and came to this."""
    return News("task-succeeded", celery_id, {"result": repr(told), "runtime": runtime_s})


def tell(station: Station, news: Sequence[News]) -> None:
    """In one message; when the broker is away nobody is watching either."""
    app = station.admission.app
    if not news or not app.conf.worker_send_task_events:
        return
    about = {"hostname": station.worker.node, "utcoffset": utcoffset(), "pid": os.getpid()}
    said = [
        Event(it.kind, **about, clock=app.clock.forward(), uuid=it.celery_id, timestamp=it.at, **it.about)
        for it in news
    ]
    try:
        with app.amqp.producer_pool.acquire(block=True, timeout=1) as producer:
            exchange = get_exchange(producer.connection, name=app.conf.event_exchange)
            producer.publish(
                said,
                routing_key="task.multi",
                exchange=exchange.name,
                declare=[exchange],
                serializer=app.conf.event_serializer,
                delivery_mode=1,
                headers={"hostname": station.worker.node},
            )
    except (OperationalError, OSError) as error:
        trouble("monitors.not_told", error, events=len(said))
