"""How a worker waits for its broker: Celery would wait half a minute between two tries, or not at all."""

import time
import warnings
from functools import partial
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer as CeleryConsumer

from shared.events import trouble
from workers.bootsteps import turned

# Redis is back, and a worker fetches again within this: invariant 7 leaves fifteen seconds for everything.
LONGEST_WAIT_S = 5.0
REFUSED_WAIT_S = 1.0
# With each connection that is lost Celery writes eight lines on a setting, which is set.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)


class Consumer(CeleryConsumer):
    """Celery's own but for these waits, for which it has no setting."""

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once there is one."""
        conn.ensure_connection = partial(conn.ensure_connection, interval_max=LONGEST_WAIT_S)
        return super().ensure_connected(conn)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """One line, and a while, for a broker that takes a connection and refuses the first write."""
        if not self._is_refusal(exc):
            super().on_connection_error_before_connected(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """The same after a connection that worked."""
        super().on_connection_error_after_connected(exc)
        self._is_refusal(exc)

    def _is_refusal(self, exc: Exception) -> bool:
        """Whether the broker answered, and said no, as one without a replica does; it is asked again after a while."""
        if not isinstance(exc, self.channel_errors):
            return False
        trouble("broker.refuses", exc)
        turned(self.controller)
        time.sleep(REFUSED_WAIT_S)
        return True
