"""What a payload has said so far: counted, held to its budget, and handed on in batches."""

from collections.abc import Callable

from shared.rules.reasons import Reason
from workers.targets.events import Adapter, Event, log_line

BATCH = 100
BATCH_S = 0.2
# Of one attempt; what comes later is counted, and its text is in the output's tail.
MOST_EVENTS = 5_000

OnEvents = Callable[[list[Event]], None]


class Tally:
    """`stop(reason)` is called the moment the payload must end, `on_events` with each batch."""

    def __init__(
        self, adapter: Adapter, on_events: OnEvents, stop: Callable[[str], None], max_turns: int | None
    ) -> None:
        self._adapter, self._on_events, self._stop, self._max_turns = adapter, on_events, stop, max_turns
        self._batch: list[Event] = []
        self._batch_since = 0.0
        self._stopped = False
        self.events = 0
        self.turns = self.input_tokens = self.output_tokens = self.cost_micros = 0
        self.result: str | None = None
        self.error: str | None = None
        self.reason: str | None = None
        self.trouble: str | None = None

    @property
    def is_full(self) -> bool:
        return self.events >= MOST_EVENTS

    @property
    def over_budget(self) -> bool:
        return self._max_turns is not None and self.turns > self._max_turns

    @property
    def has_news(self) -> bool:
        return bool(self._batch)

    def out(self, line: bytes, cut: bool) -> None:
        event = None if cut else self._adapter(line)
        if event is not None:
            self.add(event)
        elif not self.is_full:
            self.add(log_line(line, "stdout", cut))

    def err(self, line: bytes, cut: bool) -> None:
        if not self.is_full:
            self.add(log_line(line, "stderr", cut))

    def add(self, event: Event) -> None:
        self._count(event)
        if self.over_budget and not self._stopped:
            self._stopped = True
            self._stop(Reason.TURN_LIMIT_EXCEEDED)
        if self.is_full or self.trouble is not None:
            return
        self.events += 1
        self._batch.append(event)
        if len(self._batch) >= BATCH:
            self.flush()

    def _count(self, event: Event) -> None:
        self.turns += event.turns
        self.input_tokens += event.usage.input_tokens
        self.output_tokens += event.usage.output_tokens
        self.cost_micros += event.usage.cost_micros
        self.result = event.result if event.result is not None else self.result
        if event.error is not None:
            self.error, self.reason = event.error, event.reason

    def flush_if_due(self, now: float) -> None:
        if not self._batch:
            self._batch_since = now
        elif now - self._batch_since >= BATCH_S:
            self.flush()
            self._batch_since = now

    def flush(self) -> None:
        """Hand on what is waiting. If that fails, the payload is ended: a run whose turns are lost is not
        held to any budget; and it is not the payload that failed."""
        batch, self._batch = self._batch, []
        if not batch or self.trouble is not None:
            return
        try:
            self._on_events(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, the payload must not be left alone
            self.trouble = f"What the payload said could not be stored: {error}"
            self._stop(Reason.WORKER_LOST)
