"""What an edit would change: a schedule's own wait, who else gets delayed, and where it would wait less."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.rules.cron import Cron, next_after, occurrences, parse_cron
from shared.rules.cron_shift import shifts
from shared.rules.forecast.behind import Behind
from shared.rules.forecast.given import Planned, World
from shared.rules.forecast.occupancy import Held, held
from shared.rules.forecast.replay import MS, Replay, replay
from shared.rules.forecast.told import WAIT_MS, Outlook, outlook
from shared.rules.jitter import jitter

MOST_DELAYED = 20
MOST_OFFSETS = 3
# Offsets that look best by the full stretches are replayed, so that what is said of them is not a guess.
_TRIED = 3
_MOST_OCCURRENCES = 500
_INSTANT = MS / 1000


@dataclass(frozen=True, slots=True)
class Delay:
    """A schedule that waits longer after the edit than before it, on average."""

    schedule_id: UUID
    name: str
    before_s: float
    after_s: float


@dataclass(frozen=True, slots=True)
class Better:
    """Another cron, and how its firings would wait."""

    cron: str
    mean_wait_s: float
    longest_wait_s: float


@dataclass(frozen=True, slots=True)
class Preview:
    """Before and after; `before` is None for a new schedule, `offsets` are there for one that has to wait."""

    before: Outlook | None
    after: Outlook | None
    delayed: tuple[Delay, ...]
    offsets: tuple[Better, ...]
    truncated: bool


def preview(world: World, changed: Planned, hours: float) -> Preview:
    """Replays the world with and without the edit; a schedule that is not in it yet is a new one."""
    after_world = with_schedule(world, changed)
    before, after = replay(world, hours), replay(after_world, hours)
    own = outlook(changed.id, Behind(after))
    waits = own is not None and own.longest_wait_s * 1000 >= WAIT_MS
    offsets = better_offsets(world, changed, hours, own) if waits and own is not None else ()
    delayed = _delayed(mean_waits(before), mean_waits(after), {it.id: it for it in world.schedules}, changed.id)
    return Preview(outlook(changed.id, Behind(before)), own, delayed, offsets, after.truncated)


def with_schedule(world: World, changed: Planned) -> World:
    """The world with this schedule in place of the one of its id, or beside the others."""
    return replace(world, schedules=[*(it for it in world.schedules if it.id != changed.id), changed])


def better_offsets(world: World, one: Planned, hours: float, now_waits: Outlook) -> tuple[Better, ...]:
    """The three best other minutes of its hours: where it waits less than it would, the least first."""
    if one.cron is None:
        return ()
    without = replace(world, schedules=[it for it in world.schedules if it.id != one.id])
    busy = _Busy(replay(without, hours), one)
    tried = sorted(shifts(parse_cron(one.cron)), key=lambda it: (*busy.waits(it), it.text))[:_TRIED]
    found: list[Better] = []
    for cron in tried:
        own = outlook(one.id, Behind(replay(with_schedule(world, _moved(one, cron, world)), hours)))
        if own is not None and own.mean_wait_s < now_waits.mean_wait_s:
            found.append(Better(cron.text, own.mean_wait_s, own.longest_wait_s))
    found.sort(key=lambda it: (it.longest_wait_s, it.mean_wait_s))
    return tuple(found[:MOST_OFFSETS])


def _moved(one: Planned, cron: Cron, world: World) -> Planned:
    first = next_after(cron, ZoneInfo(one.timezone), world.now - _INSTANT)
    return replace(one, cron=cron.text, next_run_at=first + jitter(one.id, one.jitter_s))


def mean_waits(seen: Replay) -> dict[UUID, tuple[float, int]]:
    """The mean wait of each schedule's firings, in ms, and how many they are."""
    behind = Behind(seen)
    waits: defaultdict[UUID, list[int]] = defaultdict(list)
    for run in seen.runs:
        if run.schedule is not None and (run.started is None or run.started >= 0):
            waits[run.schedule].append(behind.wait_ms(run))
    return {schedule: (sum(each) / len(each), len(each)) for schedule, each in waits.items()}


def _delayed(
    was: dict[UUID, tuple[float, int]],
    becomes: dict[UUID, tuple[float, int]],
    rows: dict[UUID, Planned],
    edited: UUID,
) -> tuple[Delay, ...]:
    found: list[tuple[float, Delay]] = []
    for known, (after, firings) in becomes.items():
        before, _ = was.get(known, (after, 0))
        if known in rows and known != edited and after - before >= WAIT_MS:
            delay = Delay(known, rows[known].name, round(before / 1000, 1), round(after / 1000, 1))
            found.append(((before - after) * firings, delay))
    found.sort(key=lambda it: (it[0], it[1].name, it[1].schedule_id))
    return tuple(delay for _, delay in found[:MOST_DELAYED])


class _Busy:
    """How long a firing that comes at a moment would wait for its limits to have room, in a replay without it."""

    def __init__(self, seen: Replay, one: Planned) -> None:
        self._seen, self._one = seen, one
        limits = held(seen)
        keys = ("fleet", f"workspace:{one.workspace_id}", f"lane:{one.lane}")
        self._full: Sequence[Held] = [limits[it] for it in keys if it in limits]

    def waits(self, cron: Cron) -> tuple[int, int]:
        """The longest and the total wait of a cron's occurrences."""
        now = self._seen.world.now
        found = occurrences(cron, ZoneInfo(self._one.timezone), now, self._seen.until, _MOST_OCCURRENCES)
        late_by = jitter(self._one.id, self._one.jitter_s)
        each = [self._wait((it + late_by - now) // MS) for it in found]
        return max(each, default=0), sum(each)

    def _wait(self, moment: int) -> int:
        free = moment
        for it in self._full:
            place = bisect_left(it.full, (free + 1, 0)) - 1
            if place >= 0 and it.full[place][1] > free:
                free = it.full[place][1]
        return free - moment
