"""How much of a limit is held when, in a forecast."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.rules.forecast.floor import Run
from shared.rules.forecast.replay import Replay

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Of one limit: shares are of its cap, from 0 to 1 (more where firings are forced); `hours` one by one."""

    limit: str
    cap: int
    busy_share: float
    full_s: int
    most_held: int
    hours: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """When a limit has no room, as (begin, end) in ms, in order; and its occupancy."""

    occupancy: Occupancy
    full: tuple[tuple[int, int], ...]


def held(seen: Replay) -> dict[str, Held]:
    """Every limit that has a cap."""
    stays: dict[str, list[tuple[int, int]]] = {limit: [] for limit in seen.world.caps}
    for run in seen.runs:
        if run.started is not None:
            stay = max(run.started, 0), ends(run, seen)
            for limit in run.waiter.limits:
                if limit in stays:
                    stays[limit].append(stay)
    return {limit: _held(limit, seen, stays[limit]) for limit in sorted(stays)}


def ends(run: Run, seen: Replay) -> int:
    """When a firing that started ends, at the latest with the forecast."""
    return seen.length if run.ended is None else run.ended


def _held(limit: str, seen: Replay, stays: Sequence[tuple[int, int]]) -> Held:
    cap = seen.world.caps[limit]
    full, most = _full(cap, stays)
    busy = [0] * -(-seen.length // HOUR_MS)
    for begin, end in stays:
        for hour in range(begin // HOUR_MS, -(-end // HOUR_MS)):
            busy[hour] += min(end, (hour + 1) * HOUR_MS) - max(begin, hour * HOUR_MS)
    lasts = [min(seen.length, (hour + 1) * HOUR_MS) - hour * HOUR_MS for hour in range(len(busy))]
    hours = tuple(round(it / (cap or 1) / length, 3) for it, length in zip(busy, lasts, strict=True))
    share = round(sum(busy) / (cap or 1) / seen.length, 3) if seen.length else 0.0
    told = Occupancy(limit, cap, share, sum(end - begin for begin, end in full) // 1000, most, hours)
    return Held(told, tuple(full))


def _full(cap: int, stays: Iterable[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """The stretches in which as many hold as may, and the most that hold at once."""
    moves = sorted([(begin, 1) for begin, _ in stays] + [(end, -1) for _, end in stays])
    full: list[tuple[int, int]] = []
    now = most = 0
    since = 0
    for moment, step in moves:
        before, now = now, now + step
        most = max(most, now)
        if before < cap <= now:
            since = moment
        elif now < cap <= before and moment > since:
            if full and full[-1][1] == since:
                since = full.pop()[0]
            full.append((since, moment))
    return full, most
