"""A replay in the words of people: what starts when, who waits behind whom, where it is crowded."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.rules.forecast.behind import Behind
from shared.rules.forecast.floor import BACKOFF, PAUSE, PLACE, Run
from shared.rules.forecast.given import Planned
from shared.rules.forecast.line import FLEET
from shared.rules.forecast.occupancy import Occupancy, held
from shared.rules.forecast.replay import MOST_FIRINGS, MS, Replay
from shared.rules.lasting import lasting

WAIT_MS = 1000  # less is the time of a message, not a wait
MOST_CROWDS = 20
_NAMED = 5
_APART_MS = 60_000
_NO_CROWD = (PAUSE, PLACE, BACKOFF)


@dataclass(frozen=True, slots=True)
class Start:
    """A firing to come; without `starts_at` it does not start within the forecast."""

    schedule_id: UUID | None
    name: str
    workspace_id: UUID
    nominal_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    wait_s: float
    waits_for: str | None
    behind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """A schedule's firings together; what is said of waiting is of the one that waits longest."""

    schedule_id: UUID
    name: str
    workspace_id: UUID
    firings: int
    skips: dict[str, int]
    mean_wait_s: float
    longest_wait_s: float
    longest_wait_at: datetime | None
    waits_for: str | None
    behind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Crowd:
    """A span in which firings wait, without a minute's pause; the limits and the schedules that they are of."""

    begins_at: datetime
    ends_at: datetime
    firings: int
    longest_wait_s: float
    waits_for: tuple[str, ...]
    schedules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """All of it. `truncated`: it ends at `until`, earlier than was asked, for there is too much."""

    now: datetime
    until: datetime
    truncated: bool
    assumptions: tuple[str, ...]
    firings: int
    starts: tuple[Start, ...]
    schedules: tuple[Outlook, ...]
    crowded: tuple[Crowd, ...]
    limits: tuple[Occupancy, ...]


def told(seen: Replay, most_starts: int) -> Forecast:
    """What a replay comes to; the first starts one by one, everything else whole."""
    behind = Behind(seen)
    coming = [it for it in seen.runs if it.started is None or it.started >= 0]
    first = sorted(coming, key=lambda it: (behind.starts(it), it.waiter.place, it.waiter.id))[:most_starts]
    return Forecast(
        seen.world.now,
        seen.until,
        seen.truncated,
        assumptions(seen),
        len(coming),
        tuple(_start(it, behind) for it in first),
        outlooks(behind),
        crowded(coming, behind),
        tuple(it.occupancy for it in held(seen).values()),
    )


def outlooks(behind: Behind) -> tuple[Outlook, ...]:
    """Each schedule that fires or skips, the one that waits longest first."""
    seen = behind.seen
    of: defaultdict[UUID | None, list[Run]] = defaultdict(list)
    for run in seen.runs:
        if run.started is None or run.started >= 0:
            of[run.schedule].append(run)
    skips: defaultdict[UUID, dict[str, int]] = defaultdict(dict)
    for (schedule, reason), count in sorted(seen.skips.items()):
        skips[schedule][str(reason)] = count
    rows = [it for it in seen.world.schedules if it.id in of or it.id in skips]
    found = [_outlook(it, of[it.id], skips[it.id], behind) for it in rows]
    return tuple(sorted(found, key=lambda it: (-it.longest_wait_s, it.name, it.schedule_id)))


def outlook(schedule: UUID, behind: Behind) -> Outlook | None:
    """One schedule's; None if nothing comes of it."""
    seen = behind.seen
    row = next((it for it in seen.world.schedules if it.id == schedule), None)
    runs = [it for it in seen.runs if it.schedule == schedule and (it.started is None or it.started >= 0)]
    skips = {str(reason): count for (known, reason), count in sorted(seen.skips.items()) if known == schedule}
    return None if row is None or not (runs or skips) else _outlook(row, runs, skips, behind)


def _outlook(row: Planned, runs: Sequence[Run], skips: dict[str, int], behind: Behind) -> Outlook:
    waits = [behind.wait_ms(it) for it in runs]
    longest = max(waits, default=0)
    waits_long = longest >= WAIT_MS
    run = runs[waits.index(longest)] if waits_long else None
    return Outlook(
        row.id,
        row.name,
        row.workspace_id,
        len(runs),
        skips,
        _seconds(sum(waits) / len(waits)) if waits else 0.0,
        _seconds(longest),
        None if run is None else run.nominal_at,
        None if run is None else run.waits_for,
        () if run is None else behind.whom(run),
    )


def _start(run: Run, behind: Behind) -> Start:
    now, wait = behind.seen.world.now, behind.wait_ms(run)
    waits = wait >= WAIT_MS
    return Start(
        run.schedule,
        run.title,
        UUID(run.waiter.workspace),
        run.nominal_at,
        None if run.started is None else now + run.started * MS,
        None if run.started is None or run.ended is None else now + run.ended * MS,
        _seconds(wait),
        run.waits_for if waits else None,
        behind.whom(run) if waits else (),
    )


def crowded(coming: Sequence[Run], behind: Behind) -> tuple[Crowd, ...]:
    """The twenty spans with the most waiting, in order of time."""
    waiting = [it for it in coming if behind.wait_ms(it) >= WAIT_MS and it.waits_for not in _NO_CROWD]
    waiting.sort(key=lambda it: (it.queued, it.waiter.id))
    spans: list[list[Run]] = []
    until = -_APART_MS
    for run in waiting:
        if run.queued > until + _APART_MS or not spans:
            spans.append([])
        spans[-1].append(run)
        until = max(until, run.queued + behind.wait_ms(run))
    spans.sort(key=lambda span: -sum(behind.wait_ms(it) for it in span))
    return tuple(sorted((_crowd(span, behind) for span in spans[:MOST_CROWDS]), key=lambda it: it.begins_at))


def _crowd(span: Sequence[Run], behind: Behind) -> Crowd:
    now = behind.seen.world.now
    waits: defaultdict[str, int] = defaultdict(int)
    for it in span:
        waits[it.title] += behind.wait_ms(it)
    return Crowd(
        now + max(0, span[0].queued) * MS,
        now + max(it.queued + behind.wait_ms(it) for it in span) * MS,
        len(span),
        _seconds(max(behind.wait_ms(it) for it in span)),
        tuple(sorted({it.waits_for for it in span if it.waits_for})),
        tuple(sorted(waits, key=lambda it: (-waits[it], it))[:_NAMED]),
    )


def assumptions(seen: Replay) -> tuple[str, ...]:
    """What the forecast took for granted, in words."""
    world = seen.world
    found = ["each firing lasts as long as its schedule's average and succeeds at its first attempt"]
    unmeasured = sum(it.avg_duration_ms is None for it in world.schedules)
    if unmeasured:
        found.append(
            f"{unmeasured} {'schedule was' if unmeasured == 1 else 'schedules were'} never measured:"
            f" a firing of it lasts {lasting(world.usual_ms / 1000)}"
        )
    if world.processes is None:
        found.append("no worker lives now: as if there were a process for each slot of the fleet")
    found.append("nobody talks, pauses, runs or edits anything by hand")
    if world.caps.get(FLEET) == 0:
        found.append("the fleet's cap is 0 now: nothing starts, as long as it is so")
    if seen.truncated:
        found.append(f"after {MOST_FIRINGS} firings it stops looking")
    return tuple(found)


def _seconds(ms: float) -> float:
    return round(ms / 1000, 1)
