"""Who runs and who waits on the virtual clock: firings offered, started, held back, ended."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.rules.forecast.given import FIT, World
from shared.rules.forecast.line import Waiter

# What a firing waits for besides a limit: another one of its schedule, a process, and what only time heals.
OWN, PROCESSES, PLACE, PAUSE, BACKOFF = "own", "processes", "workspace_not_ready", "paused", "backoff"


class AnyLine(Protocol):
    """What is needed of a line: the one beside it here, or the real gate in a test."""

    def seat(self, holders: Iterable[Waiter]) -> None: ...
    def offer(self, batch: Iterable[Waiter]) -> list[str]: ...
    def release(self, firing: str) -> list[str]: ...
    def withdraw(self, firing: str) -> list[str]: ...
    def in_the_way(self, it: Waiter) -> str | None: ...


LineMaker = Callable[[Mapping[str, int], int], AnyLine]


@dataclass(slots=True)
class Run:
    """A firing in the forecast; moments are in ms from its beginning, None for later than it looks."""

    waiter: Waiter
    title: str
    schedule: UUID | None
    nominal_at: datetime
    queued: int
    lasts: int
    alone: bool
    started: int | None = None
    ended: int | None = None
    waits_for: str | None = None


class Floor:
    """`on_start` is told who starts; ends come from outside, by `end`."""

    def __init__(self, world: World, make_line: LineMaker, on_start: Callable[[Run], None]) -> None:
        slots = world.caps.get("fleet", 0)
        self.line = make_line(world.caps, slots if world.processes is None else world.processes)
        self.now = 0
        self.queued: defaultdict[UUID | None, dict[str, Run]] = defaultdict(dict)
        self.running: defaultdict[UUID | None, dict[str, Run]] = defaultdict(dict)
        self.runs: dict[str, Run] = {}
        self._held: defaultdict[UUID | None, dict[str, Run]] = defaultdict(dict)
        self._unfit = {str(it.id) for it in world.places if it.status not in FIT}
        self._on_start = on_start

    def seat(self, runs: list[Run]) -> None:
        """Those that run already."""
        self.line.seat(it.waiter for it in runs)
        for it in runs:
            self.runs[it.waiter.id] = self.running[it.schedule][it.waiter.id] = it

    def add(self, run: Run) -> None:
        """A firing that waits; it is in line only when it is offered."""
        self.runs[run.waiter.id] = self.queued[run.schedule][run.waiter.id] = run

    def offer(self, batch: list[Run]) -> None:
        """Into the line, whether they may start or not, as beat does it; then free slots are filled."""
        for it in batch:
            self._held[it.schedule].pop(it.waiter.id, None)
        self._start(self.line.offer([it.waiter for it in batch]))
        for it in batch:
            if it.started is None and it.waiter.id not in self._held[it.schedule]:
                it.waits_for = self.line.in_the_way(it.waiter) or PROCESSES

    def hold_back(self, run: Run, why: str) -> None:
        """Waits for something else than slots."""
        run.waits_for = why
        self._held[run.schedule][run.waiter.id] = run

    def what_holds(self, run: Run) -> str | None:
        """What keeps a firing from starting even with a slot; None if nothing does."""
        if run.waiter.workspace in self._unfit:
            return PLACE
        return OWN if run.alone and self.running[run.schedule] else None

    def end(self, run: Run) -> None:
        """Settled, its slot released, the next of its schedule offered: in a worker's order."""
        if run.ended is not None:
            return
        run.ended = self.now
        self.running[run.schedule].pop(run.waiter.id, None)
        self._start(self.line.release(run.waiter.id))
        held = [it for it in self._held[run.schedule].values() if it.waits_for == OWN and self.what_holds(it) is None]
        if held:
            self.offer([min(held, key=lambda it: it.waiter.place)])

    def cancel(self, run: Run) -> None:
        """Out of the line for good."""
        run.ended = self.now
        del self.queued[run.schedule][run.waiter.id]
        if self._held[run.schedule].pop(run.waiter.id, None) is None:
            self._start(self.line.withdraw(run.waiter.id))

    def _start(self, made: list[str]) -> None:
        """Those with a slot start; one that may not is taken out again, as a worker that is told `held` does."""
        while made:
            run = self.runs[made[0]]
            made = made[1:]
            why = self.what_holds(run)
            if why is None:
                self.queued[run.schedule].pop(run.waiter.id, None)
                self.running[run.schedule][run.waiter.id] = run
                run.started = self.now
                self._on_start(run)
            else:
                self.hold_back(run, why)
                made += self.line.withdraw(run.waiter.id)
