"""How a worker waits for its broker: Celery's consumer, which would wait half a minute between two tries."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

# Redis is back, and a worker fetches again within this: invariant 7 leaves fifteen seconds for everything.
LONGEST_WAIT_S = 5.0


class Consumer(CeleryConsumer):
    """Celery's own but for that wait, for which it has no setting."""

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once there is one."""
        conn.ensure_connection = partial(conn.ensure_connection, interval_max=LONGEST_WAIT_S)
        return super().ensure_connected(conn)
