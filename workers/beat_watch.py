"""Whether beat is late: said by workers, for a beat that has died sends nobody to say so."""

import logging
import threading
from contextlib import suppress

import psycopg
from kombu.exceptions import OperationalError

from shared.celery_app import ALERT, publish_maintenance
from shared.clock import monotonic
from shared.events import event
from shared.settings import Settings
from shared.store import alerts, cadence, silence
from shared.store.connection import connect
from workers.station import Station

WATCH = "slotbeat.watch_beat"
LOOKS = 4


class BeatWatch(threading.Thread):
    """Looks four times in the time that beat may be late. One worker of the fleet tells; the others saw it too."""

    def __init__(self, station: Station) -> None:
        super().__init__(name="slotbeat-beat-watch", daemon=True)
        self._station = station
        self._stopping = threading.Event()
        self._on_time_at = monotonic()
        self.told = False

    def stop(self) -> None:
        """Nobody looks any more."""
        self._stopping.set()

    def run(self) -> None:
        """Looks until it is stopped."""
        while not self._stopping.wait(self._station.settings.beat_late_s / LOOKS):
            try:
                self.look(self._station.settings)
            except (psycopg.Error, OSError):
                self._on_time_at = monotonic()  # nobody can know, beat least of all

    def look(self, settings: Settings) -> None:
        """Once: by a connection of its own, which is not kept."""
        with connect(self._station.database.url, application="slotbeat beat watch") as connection:
            late_s = silence.beat_late_s(connection)
            if late_s is not None and late_s < settings.beat_late_s:
                self._on_time_at = monotonic()
            silent_s = monotonic() - self._on_time_at
            if silent_s < settings.beat_late_s or not cadence.take(connection, WATCH, settings.beat_late_s):
                return
            event("beat.late", level=logging.ERROR, late_s=late_s, silent_s=round(silent_s))
            words = (
                "No schedule becomes due, and no maintenance is sent, until a beat runs: what is due waits, lost"
                " workers are not noticed. Start one (slotbeat beat), and read the log of the last."
            )
            alerts.add(connection, "beat_late", "beat is late", words)
        with suppress(OperationalError, OSError):
            publish_maintenance(self._station.admission.app, ALERT)  # which beat would have sent
