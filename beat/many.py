"""Many due at once: ticks beside each other, as those of two beats would be."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from beat.due import Ticked, tick
from shared.admission import Admission
from shared.pressure import Pressure
from shared.settings import Settings

# Of each of the two, before beat sees to its other duties.
MOST_TICKS = 8


def tick_many(admission: Admission, settings: Settings, pressure: Pressure | None = None) -> Ticked:
    """Ticks until nothing more is due, a bounded number of times; what they came to in all.

    As soon as the first sees that more is due than it takes, a second goes on beside it, on a connection of its own:
    while one decides, Postgres writes for the other. Rows share out the work between them, as between beats.
    """
    helper = _Helper(lambda: _some(lambda: tick(admission, settings, pressure)), admission.database.close)
    try:
        mine = _some(lambda: tick(admission, settings, pressure, when_full=helper.begin))
    finally:
        its = helper.end()
    return mine if its is None else _sum([mine, its], more=mine.more or its.more)


class _Helper:
    """A thread that is there only once it is wanted."""

    def __init__(self, deed: Callable[[], Ticked], at_end: Callable[[], None]) -> None:
        self._deed, self._at_end = deed, at_end
        self._threads: ThreadPoolExecutor | None = None
        self._working: Future[Ticked] | None = None

    def begin(self) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, thread_name_prefix="tick")
            self._working = self._threads.submit(self._work)

    def _work(self) -> Ticked:
        try:
            return self._deed()
        finally:
            self._at_end()

    def end(self) -> Ticked | None:
        """What it came to, or its error; None if it was not wanted."""
        if self._threads is None or self._working is None:
            return None
        with self._threads:
            return self._working.result()


def _some(one: Callable[[], Ticked]) -> Ticked:
    ticked = [one()]
    while ticked[-1].more and len(ticked) < MOST_TICKS:
        ticked.append(one())
    return _sum(ticked, more=ticked[-1].more)


def _sum(ticked: list[Ticked], *, more: bool) -> Ticked:
    return Ticked(sum(it.schedules for it in ticked), sum(it.made for it in ticked), more)
