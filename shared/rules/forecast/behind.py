"""Behind whom a firing waits: who held what it waited for, the longest first."""

from bisect import bisect_left
from collections import Counter, defaultdict

from shared.rules.forecast.floor import OWN, PROCESSES, Run
from shared.rules.forecast.line import FLEET
from shared.rules.forecast.occupancy import ends
from shared.rules.forecast.replay import Replay

_NAMED = 3
# Of those who started before it: who started so much earlier has ended, or holds one slot of very many.
_LOOKED_BACK = 2000


class Behind:
    """Who held slots under each limit in a replay, by when they started."""

    def __init__(self, seen: Replay) -> None:
        self.seen = seen
        self._stays: defaultdict[str, list[Run]] = defaultdict(list)
        started = [it for it in seen.runs if it.started is not None]
        for run in sorted(started, key=_started):
            for limit in run.waiter.limits:
                self._stays[limit].append(run)

    def starts(self, run: Run) -> int:
        """When it starts, in ms; the forecast's end if it does not start before."""
        return self.seen.length if run.started is None else run.started

    def wait_ms(self, run: Run) -> int:
        """How long it waits, as far as the forecast looks; one that was replaced waits until then."""
        until = run.ended if run.started is None and run.ended is not None else self.starts(run)
        return max(0, until - run.queued)

    def whom(self, run: Run) -> tuple[str, ...]:
        """Names of those who held what it waited for, by how long they did so during its wait."""
        limit = FLEET if run.waits_for in (OWN, PROCESSES) else run.waits_for or ""
        stays = self._stays.get(limit, [])
        until = run.queued + self.wait_ms(run)
        last = bisect_left(stays, until, key=_started)
        held: Counter[str] = Counter()
        for it in stays[max(0, last - _LOOKED_BACK) : last]:
            shared = min(ends(it, self.seen), until) - max(_started(it), run.queued)
            if shared > 0 and it is not run and (run.waits_for != OWN or it.schedule == run.schedule):
                held[it.title] += shared
        return tuple(sorted(held, key=lambda name: (-held[name], name))[:_NAMED])


def _started(run: Run) -> int:
    return run.started or 0
