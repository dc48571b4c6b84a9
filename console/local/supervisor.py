"""Keeps the parts running: starts them, says when each is up, starts again what died, stops all in order."""

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.local.parts import Finishes, Part
from console.local.running import Running

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 10.0
# Whoever ran for so long has recovered: its next failure is a first one again.
STEADY_AFTER_S = 30.0
# An answer that is this late is worth a line.
SLOW_AFTER_S = 30.0
WORKERS_STOP_WITHIN_S = 5.0
OTHERS_STOP_WITHIN_S = 2.0
LOOK_EVERY_S = 0.05

Say = Callable[[str, str], None]


@dataclass
class Kept:
    """One part and what became of it so far."""

    part: Part
    running: Running | None = None
    up: bool = False
    slow_said: bool = False
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0


class Supervisor:
    """All of its processes are children of the thread that calls it, which must live as long as they do."""

    def __init__(self, logs: Path, environment: Mapping[str, str], say: Say) -> None:
        self._logs = logs
        self._environment = environment
        self._say = say
        self._kept: list[Kept] = []

    def add(self, parts: Iterable[Part]) -> None:
        self._kept += [Kept(part) for part in parts]

    @property
    def all_up(self) -> bool:
        return all(kept.up for kept in self._kept)

    def is_up(self, name: str) -> bool:
        return any(kept.up for kept in self._kept if kept.part.name == name)

    def step(self) -> None:
        """Looks at every part once, and does what is to be done now."""
        now = time.monotonic()
        for kept in list(self._kept):
            if kept.running is None:
                self._start_when_due(kept, now)
            elif kept.running.status is not None and not self._has_finished(kept):
                self._note_end(kept, kept.running, now)
            elif not kept.up:
                self._note_up(kept, kept.running, now)

    def _start_when_due(self, kept: Kept, now: float) -> None:
        if now >= kept.start_at:
            kept.running = Running(kept.part, self._logs, self._environment)
            kept.started_at = now

    def _has_finished(self, kept: Kept) -> bool:
        return isinstance(kept.part.ready, Finishes) and kept.running is not None and kept.running.status == 0

    def _note_up(self, kept: Kept, running: Running, now: float) -> None:
        if running.is_up():
            kept.up = True
            self._say(kept.part.name, kept.part.shows)
        elif now - kept.started_at > SLOW_AFTER_S and not kept.slow_said:
            kept.slow_said = True
            self._say(kept.part.name, f"not up after {SLOW_AFTER_S:.0f} s; its log: {running.log}")

    def _note_end(self, kept: Kept, running: Running, now: float) -> None:
        running.kill()
        ended = f"{how_it_ended(running.status)}; its log: {running.log}"
        if isinstance(kept.part.ready, Finishes):
            self._kept.remove(kept)
            self._say(kept.part.name, ended)
            return
        if kept.up and now - kept.started_at > STEADY_AFTER_S:
            kept.failures = 0
        delay = min(FIRST_DELAY_S * 2**kept.failures, LONGEST_DELAY_S)
        kept.failures += 1
        kept.running, kept.up, kept.slow_said, kept.start_at = None, False, False, now + delay
        self._say(kept.part.name, f"{ended}; starting it again in {delay:g} s")

    def stop(self) -> None:
        """Everything, within a bound: workers first, so that what they end is still seen by the others."""
        alive = [kept.running for kept in self._kept if kept.running is not None]
        self._end([it for it in alive if it.part.stops_first], WORKERS_STOP_WITHIN_S)
        self._end([it for it in alive if not it.part.stops_first], OTHERS_STOP_WITHIN_S)

    def _end(self, several: list[Running], within_s: float) -> None:
        for running in several:
            running.ask_to_stop()
        until = time.monotonic() + within_s
        while any(running.status is None for running in several) and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
        for running in several:
            running.kill()

    def kill(self) -> None:
        for kept in self._kept:
            if kept.running is not None:
                kept.running.kill()


def how_it_ended(status: int | None) -> str:
    if status is not None and status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
