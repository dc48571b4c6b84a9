"""The virtual clock: schedules become due, firings line up, get slots and end, by the rules that are real."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from uuid import UUID

from shared.rules.forecast.floor import BACKOFF, PAUSE, Floor, LineMaker, Run
from shared.rules.forecast.given import Planned, Standing, World
from shared.rules.forecast.line import Line, Waiter
from shared.rules.line_order import place_in_line
from shared.rules.missed import ScheduleFacts, due_now, first_due
from shared.rules.overlap import ReplaceRunning, Skip, admit, runs_alone
from shared.rules.pauses import is_held_by_pause
from shared.rules.planning import facts_of
from shared.rules.reasons import SkipReason

# What a second of computing is good for. Beyond it the forecast ends earlier, and says so.
MOST_FIRINGS = 25_000
MS = timedelta(milliseconds=1)
_END, _BACK, _DUE = range(3)


@dataclass(slots=True)
class _Schedule:
    """One schedule on the virtual clock."""

    row: Planned
    facts: ScheduleFacts
    refused: SkipReason | None
    workspace: str
    lasts: int
    alone: bool


@dataclass(frozen=True)
class Replay:
    """What happened: every firing in the order it was made, skips by schedule and reason, and when it ended."""

    world: World
    until: datetime
    truncated: bool
    runs: list[Run]
    skips: Mapping[tuple[UUID, str], int]

    @property
    def length(self) -> int:
        """In ms."""
        return (self.until - self.world.now) // MS


def replay(world: World, hours: float, make_line: LineMaker = Line) -> Replay:
    """Replays so many hours from now; the same world always ends the same."""
    return _Clock(world, make_line).run(round(hours * 3_600_000))


class _Clock:
    def __init__(self, world: World, make_line: LineMaker) -> None:
        self.world = world
        self.floor = Floor(world, make_line, lambda run: self._at(self.floor.now + run.lasts, _END, run.waiter.id))
        self.skips: Counter[tuple[UUID, str]] = Counter()
        self.events: list[tuple[int, int, int, str]] = []
        self.pushed = 0
        self.usual_ms = world.usual_ms
        self.line_no = max((it.line_no for it in world.standing), default=0)
        self.schedules = {str(it.id): self._scheduled(it) for it in sorted(world.schedules, key=lambda it: it.id)}
        self._stand()

    def run(self, length: int) -> Replay:
        """Event by event, in the order of time; what ends goes before what begins."""
        truncated = False
        while self.events and self.events[0][0] < length:
            self.floor.now, kind, _, _ = self.events[0]
            if kind == _DUE and len(self.floor.runs) > MOST_FIRINGS:
                truncated, length = True, self.floor.now
                break
            self._happens(kind, self._together(kind))
        runs = list(self.floor.runs.values())
        return Replay(self.world, self.world.now + length * MS, truncated, runs, self.skips)

    def _happens(self, kind: int, names: list[str]) -> None:
        if kind == _END:
            for it in names:
                self.floor.end(self.floor.runs[it])
        elif kind == _BACK:
            back = [self.floor.runs[it] for it in names]
            for it in back:
                it.queued = self.floor.now
            self.floor.offer(back)
        else:
            self._tick([self.schedules[it] for it in names])

    def _together(self, kind: int) -> list[str]:
        """All of one kind at this very moment: what is due together is one tick."""
        names: list[str] = []
        while self.events and self.events[0][:2] == (self.floor.now, kind):
            names.append(heappop(self.events)[3])
        return names

    def _at(self, moment: int, kind: int, name: str) -> None:
        self.pushed += 1
        heappush(self.events, (max(moment, self.floor.now), kind, self.pushed, name))

    def _ms(self, moment: datetime) -> int:
        return -((self.world.now - moment) // MS)

    # How it begins ---------------------------------------------------------------------------------

    def _scheduled(self, it: Planned) -> _Schedule:
        facts = facts_of(it)
        first: datetime | None = it.next_run_at
        if it.paused_until is not None:
            first = first_due(facts, max(it.paused_until, self.world.now))
        if first is not None:
            facts = replace(facts, next_run_at=first)
            self._at(self._ms(max(first, it.deferred_until or first)), _DUE, str(it.id))
        lasts = min(it.avg_duration_ms or self.usual_ms, it.max_run_seconds * 1000)
        refused = self.world.refusal(it.workspace_id)
        return _Schedule(it, facts, refused, str(it.workspace_id), lasts, runs_alone(it.overlap))

    def _stand(self) -> None:
        """What runs has its slots; what waits is in line, or held."""
        running = [it for it in self.world.standing if it.claimed_at is not None]
        runs = [self._known(it) for it in running]
        self.floor.seat(runs)
        for it, run in zip(running, runs, strict=True):
            run.started = self._ms(it.claimed_at or self.world.now)
            self._at(self._left(it, run.lasts), _END, run.waiter.id)
        waiting = [it for it in self.world.standing if it.claimed_at is None]
        ready: list[Run] = []
        for it in sorted(waiting, key=lambda it: it.line_no):
            run = self._known(it)
            self.floor.add(run)
            why, until = self._held(it, run)
            if why is None:
                ready.append(run)
            else:
                self.floor.hold_back(run, why)
            if until is not None:
                self._at(self._ms(until), _BACK, run.waiter.id)
        self.floor.offer(ready)

    def _held(self, it: Standing, run: Run) -> tuple[str | None, datetime | None]:
        if is_held_by_pause(it.schedule_status, it.source, it.forced):
            return PAUSE, it.held_until
        if it.not_before is not None and it.not_before > self.world.now:
            return BACKOFF, it.not_before
        return self.floor.what_holds(run), None

    def _known(self, it: Standing) -> Run:
        place = place_in_line(it.line_no, it.priority)
        return Run(
            Waiter(it.id.hex, str(it.workspace_id), it.lane or "", place, it.forced),
            it.title,
            it.schedule_id,
            it.nominal_at,
            self._ms(it.queued_at),
            min(it.avg_duration_ms or self.usual_ms, it.max_run_seconds * 1000),
            it.overlap is not None and runs_alone(it.overlap) and not it.by_hand,
        )

    def _left(self, it: Standing, usual: int) -> int:
        """As run-now's estimate has it: what runs longer than usual already is given a quarter of that again."""
        so_far = -self._ms(it.claimed_at or self.world.now)
        most = self._ms(it.run_expires_at) if it.run_expires_at else usual
        return max(0, min(most, max(usual - so_far, so_far // 4)))

    # What becomes due ------------------------------------------------------------------------------

    def _tick(self, due: list[_Schedule]) -> None:
        """As one tick of beat: decide each, then insert all by nominal time and priority, then offer."""
        moment = self.world.now + self.floor.now * MS
        made = [(it, nominal) for it in due for nominal in self._decide(it, moment)]
        if len(made) > 1:
            made.sort(key=lambda pair: (pair[1], pair[0].row.priority, pair[0].row.id))
        runs = [self._new(*pair) for pair in made]
        for it in runs:
            self.floor.add(it)
        self.floor.offer(runs)

    def _decide(self, it: _Schedule, moment: datetime) -> list[datetime]:
        found = due_now(it.facts, moment)
        for skip in found.skips:
            self.skips[it.row.id, skip.reason] += skip.count
        fire = [nominal for nominal in found.fire if nominal != it.row.skip_next_at]
        if len(fire) < len(found.fire):
            self.skips[it.row.id, SkipReason.MANUAL] += 1
        refusal = it.refused or (self._overlap(it.row) if fire else None)
        if refusal is not None and fire:
            self.skips[it.row.id, refusal] += len(fire)
            fire = []
        following = found.next_run_at if len(fire) == len(found.fire) else found.next_if_refused
        if following is not None:
            left = it.facts.remaining_runs
            left = None if left is None else left - len(fire)
            it.facts = replace(it.facts, next_run_at=following, remaining_runs=left, deferred_until=None)
            self._at(max(self._ms(following), self.floor.now), _DUE, str(it.row.id))
        return fire

    def _overlap(self, row: Planned) -> SkipReason | None:
        queued, running = self.floor.queued[row.id], self.floor.running[row.id]
        match admit(row.overlap, len(queued), len(running)):
            case Skip(reason):
                return reason
            case ReplaceRunning():
                for it in list(queued.values()):
                    self.floor.cancel(it)
                for name in running:
                    self._at(self.floor.now, _END, name)
            case _:
                pass
        return None

    def _new(self, it: _Schedule, nominal: datetime) -> Run:
        self.line_no += 1
        row, place = it.row, place_in_line(self.line_no, it.row.priority)
        waiter = Waiter(f"{self.line_no:032x}", it.workspace, row.lane or "", place, forced=False)
        return Run(waiter, row.name, row.id, nominal, self.floor.now, it.lasts, it.alone)
