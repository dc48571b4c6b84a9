"""Whether Celery's main loop turns: nobody else would notice, for the keeper beside it goes on renewing."""

import logging
import os
import threading

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.clock import monotonic
from shared.events import event
from workers.keeper import Keeper
from workers.station import Station

EXIT_STATUS = 70
# It looks so often before it acts.
LOOKS = 8
TURNS_EVERY_S = 1.0
# After the last payload has gone: its pool child has to write what it came to.
SETTLES_WITHIN_S = 2.0


class Watch(threading.Thread):
    """Ends a worker whose main loop stands still although the broker answers, so that its supervisor starts another.

    First the keeper closes as for a deploy: what runs goes on to the grace, and is then interrupted, uncharged.
    """

    def __init__(self, station: Station, keeper: Keeper) -> None:
        super().__init__(name="slotbeat-watch", daemon=True)
        self._station, self._keeper = station, keeper
        self._began = self._turned = False
        self._stopping = threading.Event()

    def turned(self) -> None:
        """Said by the loop itself, every second."""
        self._began = self._turned = True

    def stop(self) -> None:
        """A worker that closes waits for its pool, and its loop may stand still."""
        self._stopping.set()

    def run(self) -> None:
        """Looks until it is stopped, or has ended this process."""
        while not self._stopping.wait(pause_s := self._bound_s / LOOKS):
            silent_s = self.look(pause_s)
            self._keeper.loop_silent_s = silent_s
            if silent_s >= self._bound_s:
                self._end_worker(silent_s)

    @property
    def _bound_s(self) -> float:
        return max(self._station.settings.loop_silent_s, LOOKS * TURNS_EVERY_S / 4)

    def look(self, pause_s: float) -> float:
        """For how long the loop has been silent, if so much passed since the last look.

        Not by a clock: a process that was stopped for an hour is silent for one pause. While the broker is away
        Celery waits for it outside the loop, half a minute at a time, and that is as it should be.
        """
        turned, self._turned = self._turned, False
        if turned or not self._began or not self._broker_answers():
            return 0.0
        return self._keeper.loop_silent_s + pause_s

    def _broker_answers(self) -> bool:
        try:
            with self._station.admission.app.connection_for_write() as connection:
                connection.connect()
        except (RedisError, OperationalError, OSError):
            return False
        return True

    def _end_worker(self, silent_s: float) -> None:
        settings = self._station.settings
        event("loop.silent", level=logging.CRITICAL, silent_s=silent_s, leases=self._keeper.leases)
        self._keeper.close_shop()
        until = monotonic() + settings.shutdown_grace_s + settings.abort_grace_s
        while self._keeper.leases and monotonic() < until:
            self._stopping.wait(0.1)
        self._stopping.wait(SETTLES_WITHIN_S)
        self._keeper.stop()
        # Nothing gentler ends a process whose main thread does not come back.
        os._exit(EXIT_STATUS)
