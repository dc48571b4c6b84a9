"""The gate's line without Redis: who holds, who waits, who is next (as shared/lua, statement for statement)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from shared.rules.forecast.ranked import Ranked

FLEET = "fleet"
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Waiter:
    """A firing as the line knows it; `lane` is '' for none."""

    id: str
    workspace: str
    lane: str
    place: int
    forced: bool

    @property
    def limits(self) -> tuple[str, ...]:
        """The limits it runs under."""
        under = (FLEET, f"workspace:{self.workspace}")
        return (*under, f"lane:{self.lane}") if self.lane else under


class Line:
    """Every method answers the firings that have their slot now, in the order in which they got it."""

    def __init__(self, caps: Mapping[str, int], processes: int) -> None:
        self.caps = dict(caps)
        self.processes = processes
        self._used: defaultdict[str, int] = defaultdict(int)
        self._waiting: dict[str, Waiter] = {}
        self._holding: dict[str, Waiter] = {}
        self._queues: defaultdict[tuple[str, str], Ranked] = defaultdict(Ranked)
        self._lanes: defaultdict[str, Ranked] = defaultdict(Ranked)
        self._parked: defaultdict[str, Ranked] = defaultdict(Ranked)
        self._ready = Ranked()
        self._forced = Ranked()
        self._vtime: defaultdict[str, int] = defaultdict(int)
        self._vclock = 0

    # What is asked ---------------------------------------------------------------------------------

    def seat(self, holders: Iterable[Waiter]) -> None:
        """Those who hold already, room or not."""
        for it in holders:
            self._hold(it)

    def offer(self, batch: Iterable[Waiter]) -> list[str]:
        """Puts a batch in line and fills; forced ones get their slots at once."""
        for it in batch:
            self._into_line(it)
        return self._fill()

    def release(self, firing: str) -> list[str]:
        """Gives back what a firing holds, and fills."""
        self._drop(self._holding[firing])
        return self._fill()

    def withdraw(self, firing: str) -> list[str]:
        """Takes a firing out of the line, or from its slot, and fills."""
        if firing in self._holding:
            self._drop(self._holding[firing])
        elif firing in self._waiting:
            it = self._waiting[firing]
            self._out_of_line(it)
            if it.lane:
                self._wake_lane(it.lane)
        return self._fill()

    def in_the_way(self, it: Waiter) -> str | None:
        """The first limit without room for it, or None; a forced one is stopped by a cap of 0 only."""
        for limit in it.limits:
            if self.caps.get(limit) == 0 or (not it.forced and self._room(limit) <= 0):
                return limit
        return None

    @property
    def idle(self) -> int:
        """Worker processes that nothing holds."""
        return self.processes - len(self._holding)

    # limits.lua, drop.lua --------------------------------------------------------------------------

    def _room(self, limit: str) -> float:
        cap = self.caps.get(limit)
        return inf if cap is None else cap - self._used[limit]

    def _hold(self, it: Waiter) -> None:
        self._holding[it.id] = it
        for limit in it.limits:
            self._used[limit] += 1

    def _drop(self, it: Waiter) -> None:
        del self._holding[it.id]
        for limit in it.limits:
            self._used[limit] -= 1
            self._wake(limit, it)

    # line.lua --------------------------------------------------------------------------------------

    def _turn_of(self, workspace: str) -> int:
        return max(self._vtime[workspace], self._vclock)

    def _make_ready(self, workspace: str) -> None:
        if workspace not in self._ready:
            self._ready.add(workspace, self._turn_of(workspace))

    def _show_head(self, workspace: str, lane: str) -> None:
        head = self._queues[workspace, lane].first()
        lanes = self._lanes[workspace]
        if head is not None:
            lanes.add(lane, head[0])
        else:
            lanes.discard(lane)
            if not lanes:
                self._ready.discard(workspace)

    def _into_line(self, it: Waiter) -> None:
        self._waiting[it.id] = it
        if it.forced:
            self._forced.add(it.id, it.place)
            return
        self._queues[it.workspace, it.lane].add(it.id, it.place)
        if it.lane and it.workspace in self._parked[it.lane]:
            return
        self._show_head(it.workspace, it.lane)
        self._make_ready(it.workspace)

    def _out_of_line(self, it: Waiter) -> None:
        del self._waiting[it.id]
        if it.forced:
            self._forced.discard(it.id)
            return
        queue, parked = self._queues[it.workspace, it.lane], self._parked[it.lane]
        queue.discard(it.id)
        if not queue:
            parked.discard(it.workspace)
        elif it.workspace in parked:
            return
        self._show_head(it.workspace, it.lane)

    def _wake_lane(self, lane: str) -> None:
        parked, free = self._parked[lane], self._room(f"lane:{lane}")
        while free > 0 and (workspace := parked.pop()) is not None:
            self._show_head(workspace, lane)
            if self._room(f"workspace:{workspace}") > 0:
                self._make_ready(workspace)
                free -= 1

    def _wake(self, limit: str, it: Waiter) -> None:
        if limit.startswith("lane:"):
            self._wake_lane(it.lane)
        elif limit != FLEET and self._lanes[it.workspace]:
            self._make_ready(it.workspace)

    # fill.lua --------------------------------------------------------------------------------------

    def _fill_forced(self) -> list[str]:
        """With or without room; one that a cap of 0 stops waits for a change of that cap, of which none comes."""
        made: list[str] = []
        while (firing := self._forced.pop()) is not None:
            if self.in_the_way(self._waiting[firing]) is None:
                self._hold(self._waiting.pop(firing))
                made.append(firing)
        return made

    def _rest(self, workspace: str) -> None:
        self._ready.discard(workspace)
        for lane in self._lanes[workspace]:
            if lane:
                self._wake_lane(lane)

    def _park(self, workspace: str, lane: str) -> None:
        self._parked[lane].add(workspace, self._turn_of(workspace))
        lanes = self._lanes[workspace]
        lanes.discard(lane)
        if not lanes:
            self._ready.discard(workspace)

    def _promise(self, workspace: str, lane: str, vtime: int) -> str:
        firing = self._queues[workspace, lane].pop()
        assert firing is not None
        self._vclock = vtime
        self._vtime[workspace] = vtime + 1
        self._ready.add(workspace, vtime + 1)
        self._show_head(workspace, lane)
        self._hold(self._waiting.pop(firing))
        return firing

    def _fill(self) -> list[str]:
        made = self._fill_forced()
        most = min(_MOST, len(made) + min(self._room(FLEET), self.idle))
        while len(made) < most and (turn := self._ready.first()) is not None:
            vtime, workspace = turn
            head = self._lanes[workspace].first()
            if head is None:
                self._ready.discard(workspace)
            elif self._room(f"workspace:{workspace}") <= 0:
                self._rest(workspace)
            elif head[1] and self._room(f"lane:{head[1]}") <= 0:
                self._park(workspace, head[1])
            else:
                made.append(self._promise(workspace, head[1], vtime))
        return made
