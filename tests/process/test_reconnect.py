"""How long a worker waits between two tries to reach a broker that is away."""

from typing import Any, cast

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
