"""The gate as it should be, in plain Python: no queue of workspaces, no parking, only the rules.

One thing is left to the gate: who of those that wait for a full lane is looked at first when it has room again.
The model takes the gate's own choice there (`hints`), and holds it to everything else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from uuid import UUID

from shared.answers import Seat, Waiter
from shared.gate import FILL_AT_MOST
from shared.rules.line_order import place_in_line
from tests.slots.universe import START_LEASE_MS


@dataclass
class Known:
    """What the gate knows of a firing."""

    facts: Waiter
    state: str
    request: str = ""
    worker: str = ""
    expires: int = 0
    made: int = 0
    abort: str | None = None

    def __post_init__(self) -> None:
        self.id = str(self.facts.firing)
        self.workspace, self.lane = str(self.facts.workspace), self.facts.lane or ""
        self.place = place_in_line(self.facts.line_no, self.facts.priority)
        self.forced = self.facts.forced
        self.limits = ["fleet", f"workspace:{self.workspace}"] + ([f"lane:{self.lane}"] if self.lane else [])


@dataclass
class Model:
    """Every method answers as the gate's method of the same name must."""

    now: int = 1_000_000
    caps: dict[str, int] = field(default_factory=dict)
    known: dict[UUID, Known] = field(default_factory=dict)
    workers: dict[str, tuple[int, int]] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, tuple[int, int]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    clock: int | None = None
    hints: list[UUID] = field(default_factory=list)

    # What is so ------------------------------------------------------------------------------------

    def of(self, *states: str) -> list[Known]:
        return [it for it in self.known.values() if it.state in states]

    def used(self, limit: str) -> set[UUID]:
        return {it.facts.firing for it in self.of("reserved", "leased") if limit in it.limits}

    def room(self, limit: str) -> float:
        if limit not in self.caps:
            return inf
        return 0 if self.blocked.get(limit, 0) > self.now else self.caps[limit] - len(self.used(limit))

    def in_the_way(self, it: Known) -> tuple[str, bool] | None:
        for limit in it.limits:
            if self.caps.get(limit) == 0:
                return limit, True
            if not it.facts.forced and self.room(limit) <= 0:
                return limit, False
        return None

    def stopped(self, it: Known) -> bool:
        """Whether some limit lets nobody start, forced or not."""
        return any(
            limit in self.caps and (self.caps[limit] == 0 or self.blocked.get(limit, 0) > self.now)
            for limit in it.limits
        )

    def forced(self) -> list[Known]:
        """Forced firings that wait and need not: they go first of all."""
        waiting = [it for it in self.of("waiting") if it.forced and not self.stopped(it)]
        return sorted(waiting, key=lambda it: (it.place, it.id))

    def idle(self) -> int:
        leased = [it.worker for it in self.of("leased")]
        free = [max(0, told - leased.count(it)) for it, (until, told) in self.workers.items() if until >= self.now]
        return sum(free) - len(self.of("reserved"))

    def heads(self) -> Iterator[Known]:
        """The first of each (workspace, lane) queue."""
        queues: dict[tuple[str, str], list[Known]] = {}
        for it in [it for it in self.of("waiting") if not it.forced]:
            queues.setdefault((it.workspace, it.lane), []).append(it)
        for queue in queues.values():
            yield min(queue, key=lambda it: (it.place, it.id))

    def startable(self) -> list[Known]:
        """Heads that have room under every limit, and a process that could take them."""
        if self.idle() <= 0:
            return []
        return [it for it in self.heads() if all(self.room(limit) > 0 for limit in it.limits)]

    # What is done ----------------------------------------------------------------------------------

    def turn_of(self, workspace: str) -> int:
        return max(self.turns.get(workspace, 0), self.clock or 0)

    def next_up(self, ready: list[Known], hint: UUID | None) -> Known:
        """The workspace whose turn it is, among its lanes the best head."""
        sure = [it for it in ready if f"lane:{it.lane}" not in self.caps or it.facts.firing == hint]
        return min(sure or ready, key=lambda it: (self.turn_of(it.workspace), it.workspace, it.place, it.lane))

    def fill(self) -> list[UUID]:
        """Whoever is next, again and again while anything is startable."""
        self.blocked = {limit: until for limit, until in self.blocked.items() if until > self.now}
        made: list[UUID] = []
        for it in self.forced():
            self.hold(it, "reserved", START_LEASE_MS)
            made.append(it.facts.firing)
        while len(made) < FILL_AT_MOST and (ready := self.startable()):
            next_up = self.next_up(ready, next(iter(self.hints[len(made) :]), None))
            self.clock = self.turn_of(next_up.workspace)
            self.turns[next_up.workspace] = self.clock + 1
            self.hold(next_up, "reserved", START_LEASE_MS)
            made.append(next_up.facts.firing)
        return made

    def hold(self, it: Known, state: str, lease_ms: int, request: str = "", worker: str = "") -> None:
        it.state, it.request, it.worker, it.abort = state, request, worker, None
        it.expires, it.made = self.now + lease_ms, self.now

    def offer(self, batch: Iterable[Waiter]) -> list[UUID]:
        for facts in batch:
            if facts.firing not in self.known:
                self.known[facts.firing] = Known(facts, "waiting")
        return self.fill()

    def reserve(self, facts: Waiter) -> tuple[str, bool] | None:
        it = self.known.get(facts.firing) or Known(facts, "")
        if it.state in ("reserved", "leased"):
            return None
        if (found := self.in_the_way(it)) is not None:
            return found
        self.known[facts.firing] = it
        self.hold(it, "reserved", START_LEASE_MS)
        return None

    def claim(self, firing: UUID, request: UUID, worker: str, lease_ms: int) -> str:
        it = self.known.get(firing)
        if it is None:
            return "UNKNOWN"
        if it.state == "leased":
            return "LEASED" if it.request == str(request) else "HELD"
        if it.state == "waiting" and self.in_the_way(it) is not None:
            return "WAITING"
        self.hold(it, "leased", lease_ms, str(request), worker)
        return "LEASED"

    def leased(self, firing: UUID, request: UUID) -> Known | None:
        it = self.known.get(firing)
        return it if it is not None and (it.state, it.request) == ("leased", str(request)) else None

    def renew(self, worker: str, capacity: int, lease_ms: int, leases: list) -> tuple[list[str], list[UUID]]:
        answers = [self._renew_one(self.leased(*it), lease_ms) for it in leases]
        self.workers = {it: told for it, told in self.workers.items() if told[0] >= self.now and it != worker}
        if capacity:
            self.workers[worker] = (self.now + lease_ms, capacity)
        return answers, self.fill()

    def _renew_one(self, it: Known | None, lease_ms: int) -> str:
        if it is None:
            return "absent"
        it.expires = self.now + lease_ms
        return f"abort:{it.abort}" if it.abort is not None else "ok"

    def release(self, firing: UUID, request: UUID) -> list[UUID]:
        if self.leased(firing, request) is not None:
            del self.known[firing]
        return self.fill()

    def release_and_take(
        self, firing: UUID, request: UUID, taking: UUID, worker: str, lease_ms: int
    ) -> tuple[list[UUID], UUID | None]:
        """The model is never asked again with the same `taking`: what an answer that was lost said, it knows."""
        is_yours = self.leased(firing, request) is not None
        made = self.release(firing, request)
        if not is_yours or not made:
            return made, None
        self.hold(self.known[made[0]], "leased", lease_ms, str(taking), worker)
        self.hints = self.hints[len(made) :]
        return made + self.fill(), made[0]

    def put_back(self, firing: UUID, request: UUID) -> list[UUID]:
        if (it := self.leased(firing, request)) is not None:
            self.known[firing] = Known(it.facts, "waiting")
        return self.fill()

    def block(self, limit: str, firing: UUID, request: UUID) -> list[UUID]:
        if self.leased(firing, request) is not None:
            ms, over = self.blocks.get(limit, (0, 0))
            ms = 1000 if self.now - over > 20_000 else min(10_000, 2 * ms)
            self.blocks[limit] = (ms, self.now + ms)
            self.stop(limit, ms)
        return self.put_back(firing, request)

    def stop(self, limit: str, for_ms: int) -> None:
        self.blocked[limit] = max(self.blocked.get(limit, 0), self.now + for_ms)

    def withdraw(self, firings: Iterable[UUID]) -> list[UUID]:
        for firing in firings:
            if firing in self.known and self.known[firing].state != "leased":
                del self.known[firing]
        return self.fill()

    def abort(self, firing: UUID, request: UUID, reason: str) -> bool:
        if (it := self.leased(firing, request)) is None:
            return False
        it.abort = reason
        return True

    def seat(self, seats: Iterable[Seat]) -> int:
        seated = 0
        for seat in seats:
            firing = seat.waiter.firing
            if self.leased(firing, seat.request) is None:
                it = self.known[firing] = Known(seat.waiter, "leased")
                self.hold(it, "leased", seat.lease_ms, str(seat.request), seat.worker)
                seated += 1
        return seated

    def set_cap(self, limit: str, cap: int | None, version: int | None) -> list[UUID]:
        stands = self.versions.get(limit, self.versions.get("", 0))
        if version is None or version >= stands:
            self.versions[limit] = stands if version is None else version
            self.blocked.pop(limit, None)
            self.blocks.pop(limit, None)
            self.caps.pop(limit, None)
            if cap is not None:
                self.caps[limit] = cap
        return self.fill()

    def rebuilt(self) -> "Model":
        """What a rebuild knows: runs, waiters, caps and living workers; a reservation is a waiter again."""
        waiting = {it.facts.firing: Known(it.facts, "waiting") for it in self.of("waiting", "reserved")}
        leased = {it.facts.firing: it for it in self.of("leased")}
        for it in leased.values():
            it.abort = None
        versions = {"": max(self.versions.values(), default=0)}
        return Model(self.now, dict(self.caps), waiting | leased, dict(self.workers), versions=versions)
