"""How long a worker waits between two tries to reach a broker that is away."""

from typing import Any, cast

import pytest
from kombu import Connection, Queue
from redis import Redis

from shared.celery_app import make_app
from shared.settings import Addresses
from workers.reconnect import LONGEST_WAIT_S, Consumer


class _Asked:
    """A connection that notes how it is asked to connect."""

    def ensure_connection(self, *_: Any, **asked: Any) -> str:
        self.asked = asked
        return "connected"


def test_a_worker_never_waits_half_a_minute_for_a_broker_that_is_back() -> None:
    """Invariant 7: within fifteen seconds of the outage's end it must fetch again; Celery alone waits thirty."""
    consumer = Consumer.__new__(Consumer)
    cast("Any", consumer).app = make_app("waits", Addresses("", "redis://x", "redis://x", "slotbeat"))
    consumer.first_connection_attempt = True
    connection = _Asked()

    assert consumer.ensure_connected(connection) == "connected"

    assert connection.asked["interval_max"] == LONGEST_WAIT_S < 15


def test_a_connection_that_is_lost_while_a_message_waits_is_closed_and_the_message_given_back(redis_url: str) -> None:
    """Of two that wait kombu left one open, and raised what ends a worker when Celery closed it once more."""
    broker, received = Redis.from_url(redis_url), list[Any]()
    lost = Connection(redis_url, transport="workers.sieve:Transport")
    with (
        lost.Consumer([Queue("waits")], callbacks=[lambda body, _: received.append(body)]),
        lost.Consumer([Queue("another")], channel=lost.channel()),
    ):
        lost.Producer().publish("a message", routing_key="waits")
        lost.drain_events(timeout=5)
        with pytest.raises(TimeoutError):
            lost.drain_events(timeout=0.1)
        assert (received, broker.hlen("unacked"), broker.llen("waits")) == (["a message"], 1, 0)

        broker.client_kill_filter(_type="normal", skipme=True)
        # As Celery does.
        lost.collect()
        lost.close()

    assert (broker.hlen("unacked"), broker.llen("waits")) == (0, 1)
    broker.close()
