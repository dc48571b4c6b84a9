"""Invariant 7, measured: how long a firing waits although every limit and some worker process have room for it.

A sample is one statement on the rows, several times a second. A firing waits with room in a sample if there is a
free slot row under each of its limits and a free process for it and for everybody ahead of it, and one more for
each claim since the sample before. Its wait is that of consecutive samples; one without room begins it anew.
"""

import subprocess
import sys
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.clock import boottime
from tests.chaos.world import World

CALM_BOUND_S = 2.0
RECOVERY_BOUND_S = 15.0
SAMPLE_EVERY_S = 0.2
# A gap of the sampler itself, for which nobody knows who had room, ends every wait.
LONGEST_GAP_S = 1.5
# Between room and a start lie at most so much processor time (a worker of Celery that has to start first) and so
# many commits. Timers, which make up the rest of a bound, take no longer on a slow machine.
WORK_S = 1.0
COMMITS = 4
PACE = Path(__file__).with_name("pace.py")

_WAITING = """
    select f.id, array(select limit_keys(f.workspace_id, f.lane)) as keys from startable f
     where not f.forced order by f.line_no + 100 * f.priority
"""
_FREE = "select limit_key, count(*) from slots where token is null and not forced group by limit_key"
_CLAIMED = """
    select k, count(*) from attempts a join firings f on f.id = a.firing_id, limit_keys(f.workspace_id, f.lane) as k
     where a.token > %s group by k
"""
_PROCESSES = """
    select coalesce(sum(greatest(p.capacity - (select count(*) from attempts a where a.ended_at is null
                                                  and a.worker ->> 'id' = p.id), 0)), 0)::int
      from processes p where p.kind = 'worker' and p.seen_at > now() - interval '1.2 s'
"""
_LAST_TOKEN = "select coalesce(max(token), 0) from attempts"


@dataclass(frozen=True)
class Wait:
    """One firing's longest time with room, from when to when."""

    firing: str
    since: float
    until: float

    @property
    def seconds(self) -> float:
        return self.until - self.since


@dataclass
class Pace:
    """The machine's own slowness: moments, slowdowns, and seconds to the disk."""

    moments: list[float] = field(default_factory=list)
    slowdowns: list[float] = field(default_factory=list)
    to_disk_s: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> "Pace":
        rows = [tuple(map(float, line.split())) for line in text.splitlines() if len(line.split()) == 3]
        return cls([it[0] for it in rows], [it[1] for it in rows], [it[2] for it in rows])

    def allows(self, bound_s: float, since: float, until: float) -> float:
        """The bound on this machine in that time: longer by what its slowness and its disk's worst moment add."""
        first, last = bisect_left(self.moments, since - 1), bisect_right(self.moments, until)
        slow, disk = self.slowdowns[first:last], self.to_disk_s[first:last]
        if not slow:
            return bound_s
        return bound_s + WORK_S * max(0.0, sum(slow) / len(slow) - 1) + COMMITS * max(disk)


class Sampler(threading.Thread):
    """Looks at the rows all the time; a look that fails knows nothing, and ends every wait."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(name="sampler", daemon=True)
        self._world = world
        self._told = folder / "pace"
        self._pace = subprocess.Popen([sys.executable, "-I", "-S", str(PACE), str(self._told)])
        self._ending = threading.Event()
        self._since: dict[str, float] = {}
        self._last_token = 0
        self._looked_at = 0.0
        self.waits: list[Wait] = []
        self.samples = 0

    @property
    def pace(self) -> Pace:
        return Pace.read(self._told.read_text())

    def run(self) -> None:
        while not self._ending.wait(SAMPLE_EVERY_S):
            if not self._world.tries(self._look):
                self._note(boottime(), set())
        self._note(boottime(), set())
        self._world.database.close()

    def stop(self) -> None:
        self._ending.set()
        self.join(30)
        self._pace.kill()
        self._pace.wait()

    def _look(self) -> None:
        with self._world.database.transaction() as connection:
            connection.execute("set transaction isolation level repeatable read read only")
            waiting = [(str(it[0]), it[1]) for it in connection.execute(_WAITING).fetchall()]
            room = Counter(dict(connection.execute(_FREE).fetchall()))
            claimed: dict[str, int] = dict(connection.execute(_CLAIMED, [self._last_token]).fetchall())
            [(processes,)] = connection.execute(_PROCESSES).fetchall()
            [(self._last_token,)] = connection.execute(_LAST_TOKEN).fetchall()
            capped = {it[0] for it in connection.execute("select key from limits").fetchall()}
        room.subtract(claimed)
        moment = boottime()
        if moment - self._looked_at > LONGEST_GAP_S:
            self._note(self._looked_at, set())
        self._looked_at = moment
        self.samples += 1
        self._note(moment, set(with_room(waiting, room, processes - claimed.get("fleet", 0), capped)))

    def _note(self, moment: float, waiting: set[str]) -> None:
        for firing in [it for it in self._since if it not in waiting]:
            self.waits.append(Wait(firing, self._since.pop(firing), moment))
        for firing in waiting:
            self._since.setdefault(firing, moment)


def with_room(
    waiting: Iterable[tuple[str, Sequence[str]]], room: Counter[str], processes: int, capped: set[str]
) -> Iterator[str]:
    """Those for whom there is room, if everybody ahead of them takes his."""
    left = Counter(room)
    for firing, keys in waiting:
        limits = [it for it in keys if it in capped]
        if processes <= 0:
            return
        if all(left[it] > 0 for it in limits):
            left.subtract(limits)
            processes -= 1
            yield firing


@dataclass(frozen=True)
class Phase:
    """A time in which one bound holds."""

    name: str
    since: float
    until: float
    bound_s: float

    def longest(self, waits: Sequence[Wait], trouble: Sequence[tuple[float, float]]) -> Iterator[tuple[Wait, float]]:
        """Each wait within it with its seconds, those in which a fault was in force left out."""
        for it in waits:
            since, until = max(it.since, self.since), min(it.until, self.until)
            if until > since:
                within = Wait(it.firing, since, until)
                yield within, within.seconds - covered(since, until, trouble)


def covered(since: float, until: float, spans: Sequence[tuple[float, float]]) -> float:
    """How much of a time lies in any of these spans."""
    total, reached = 0.0, since
    for begin, end in sorted(spans):
        inside = min(end, until) - max(begin, reached)
        if inside > 0:
            total += inside
            reached = min(end, until)
    return total


@dataclass(frozen=True)
class Judged:
    """The longest wait of a phase, what the machine allowed for it, and all that were too long."""

    phase: Phase
    longest_s: float
    allowed_s: float
    late: list[str]


def judge(phases: Sequence[Phase], waits: Sequence[Wait], trouble: Sequence[tuple[float, float]], pace: Pace) -> Any:
    """Phase by phase."""
    return [_judge_one(it, waits, trouble, pace) for it in phases]


def _judge_one(phase: Phase, waits: Sequence[Wait], trouble: Sequence[tuple[float, float]], pace: Pace) -> Judged:
    longest_s, allowed_s, late = 0.0, phase.bound_s, list[str]()
    for wait, seconds in phase.longest(waits, trouble):
        allowed = pace.allows(phase.bound_s, wait.since, wait.until)
        if seconds > longest_s:
            longest_s, allowed_s = seconds, allowed
        if seconds > allowed:
            late.append(
                f"{phase.name}: firing {wait.firing} waited {seconds:.1f} s with room from {wait.since:.1f}"
                f" ({allowed:.1f} s allowed)"
            )
    return Judged(phase, longest_s, allowed_s, late)
