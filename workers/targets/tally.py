"""What a payload has said so far: counted, held to its budget, and handed on in batches."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from shared.rules.reasons import Reason
from workers.adapters import Adapter
from workers.adapters.events import Event, Failed, Usage, log_line
from workers.targets.output import LONGEST_LINE
from workers.targets.terms import Terms

BATCH = 100
BATCH_S = 0.2
# Of one attempt, as they come; of what comes later the last are kept, for the end of a log says why it ended.
MOST_EVENTS = 5_000
LAST_EVENTS = 200

OnEvents = Callable[[list[Event]], None]


class Tally:
    """`stop(reason)` is called the moment the payload must end, `on_events` with each batch."""

    def __init__(self, adapter: Adapter, on_events: OnEvents, stop: Callable[[str], None], terms: Terms) -> None:
        self._adapter, self._on_events, self._stop, self._terms = adapter, on_events, stop, terms
        self._batch: list[Event] = []
        self._batch_since = 0.0
        self._stopped = False
        self._last: deque[Event] = deque(maxlen=LAST_EVENTS)
        self._left_out = 0
        self.events = 0
        self.turns = 0
        self.usage = Usage()
        self.result: str | None = None
        self.error: str | None = None
        self.reason: str | None = None
        self.failed: Failed | None = None
        self.retry_after_s = 0
        self.remote_ref: str | None = None
        self.trouble: str | None = None

    @property
    def is_full(self) -> bool:
        return self.events >= MOST_EVENTS

    def breach(self) -> Reason | None:
        """Which budget has been exceeded: the firing's own, or what was left of one that it shares."""
        terms, used = self._terms, self.usage
        if _is_over(self.turns, terms.max_turns):
            return Reason.TURN_LIMIT_EXCEEDED
        may = terms.allowance
        tokens = used.input_tokens + used.output_tokens
        spent = (
            _is_over(self.turns, may.turns) or _is_over(tokens, may.tokens) or _is_over(used.cost_micros, may.micros)
        )
        return Reason.BUDGET_EXCEEDED if spent else None

    @property
    def has_news(self) -> bool:
        return bool(self._batch)

    def out(self, line: bytes, cut: bool) -> None:
        event = None if cut else self._adapter(line)
        if event is not None:
            self.add(_shortened(event) if len(line) > LONGEST_LINE else event)
        elif not self.is_full:
            self.add(log_line(line, "stdout", cut))

    def err(self, line: bytes, cut: bool) -> None:
        if not self.is_full:
            self.add(log_line(line, "stderr", cut))

    def add(self, event: Event) -> None:
        self._count(event)
        if not self._stopped and (breach := self.breach()) is not None:
            self._stopped = True
            self._stop(breach)
        if self.trouble is not None or not event.is_kept:
            return
        if self.is_full:
            self._left_out += len(self._last) == LAST_EVENTS
            self._last.append(event)
            return
        self.events += 1
        self._batch.append(event)
        if len(self._batch) >= BATCH:
            self.flush()

    def _count(self, event: Event) -> None:
        self.turns += event.turns
        self.usage = self.usage.plus(event.usage)
        self.result = event.result if event.result is not None else self.result
        self.failed = event.failed or self.failed
        self.remote_ref = event.remote_ref or self.remote_ref
        if event.error is not None:
            self.error, self.reason, self.retry_after_s = event.error, event.reason, event.retry_after_s

    def flush_if_due(self, now: float) -> None:
        if not self._batch:
            self._batch_since = now
        elif now - self._batch_since >= BATCH_S:
            self.flush()
            self._batch_since = now

    def end(self, last_words: str) -> None:
        """Nothing more will come: hands on what waits, and what was held back since there was too much."""
        if self.is_full:
            words = f"Much was said: lines of log and {self._left_out} events are left out before this."
            self._batch += [Event("log", {"text": words, "left_out": True}), *self._last]
            self._batch.append(Event("log", {"text": last_words, "stream": "tail"}))
            self._last.clear()
        self.flush()

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


def _shortened(event: Event) -> Event:
    """A long one counts whole and is kept in part: thousands of a megabyte each are nothing to store."""
    text = json.dumps(event.data, ensure_ascii=False)[:LONGEST_LINE]
    return replace(event, data={"type": event.data.get("type"), "text": text, "cut": True})


def _is_over(used: int, most: int | None) -> bool:
    return most is not None and used > most
