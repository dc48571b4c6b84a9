"""Writes what a payload says as it comes; while Postgres is away it keeps the newest for later."""

import json
from collections import deque

from shared.events import trouble
from shared.store import attempts, firing_events, progress
from shared.store.connection import AWAY
from workers.adapters.events import Event, Usage
from workers.station import Station


class Record:
    """Of one attempt: call it with each batch of events."""

    def __init__(self, station: Station, attempt: attempts.Attempt) -> None:
        self._station, self._attempt = station, attempt
        self._waiting: deque[tuple[int, str, str]] = deque()
        # Of all that is kept, written or not, the newest last: as many as from the first that is not gone.
        self._sizes: deque[int] = deque()
        self._bytes = self._gone = self._seq = self._turns = 0
        self._used = Usage()
        self._remote_ref: str | None = None

    def __call__(self, events: list[Event]) -> None:
        """Writes a batch, in order, with what could not be written before."""
        for it in events:
            self._seq += 1
            self._turns += it.turns
            self._used = self._used.plus(it.usage)
            self._remote_ref = it.remote_ref or self._remote_ref
            self._keep(it)
        try:
            connection = self._station.database.connection()
            firing_events.add(connection, self._attempt.firing_id, self._attempt.token, list(self._waiting), self._gone)
            progress.tell(connection, self._attempt.token, self._so_far())
        except AWAY as error:
            trouble("events.kept_back", error, firing=self._attempt.firing_id, waiting=len(self._waiting))
        else:
            self._waiting.clear()

    def _keep(self, it: Event) -> None:
        """It waits to be written, and the oldest of what is kept make room for it."""
        text = json.dumps(it.data)
        self._waiting.append((self._seq, it.kind, text))
        self._sizes.append(len(text))
        self._bytes += len(text)
        while len(self._sizes) > firing_events.KEEP or self._bytes > firing_events.KEEP_BYTES:
            self._bytes -= self._sizes.popleft()
            self._gone += 1
        while self._waiting and self._waiting[0][0] <= self._gone:
            self._waiting.popleft()

    def _so_far(self) -> progress.Progress:
        used = self._used
        return progress.Progress(self._turns, used.input_tokens, used.output_tokens, used.cost_micros, self._remote_ref)
