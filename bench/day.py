"""A simulated day: so many schedules, as people write them, against what a firing was measured to cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import ceil, log10
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.rules.cron import occurrences, parse_cron
from shared.settings import Settings

# Assumptions of the model: which share of the schedules has which expression; how long a firing executes; which part of
# the slots is busy on the mean of a day; how many cores one Postgres has, and how much of them, and of the core of one
# Redis, may be used on the mean of a day.
MIX = (
    (0.02, "*/5 * * * *"),
    (0.03, "*/15 * * * *"),
    (0.15, "0 * * * *"),
    (0.30, "0 9 * * *"),
    (0.20, "30 6 * * *"),
    (0.20, "0 3 * * *"),
    (0.10, "0 0 * * 1"),
)
EXECUTES_S, BUSY, CORES, USED = 60, 0.8, 16, 0.5
MINUTES = 24 * 60
_MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Costs:
    """What was measured: Postgres's processor time a firing at each size of the table, bytes of what is kept."""

    sizes: Sequence[int]
    firing_ms: Sequence[float]
    schedule_bytes: float
    schedule_index_bytes: float
    firing_bytes: float
    waiter_bytes: float
    redis_ms: float
    beat_ms: float

    def firing_ms_at(self, schedules: float) -> float:
        """By what each further power of ten added where it was measured; never less than what was seen."""
        steps = [
            (b - a) / log10(n / m)
            for (m, n), (a, b) in zip(pairwise(self.sizes), pairwise(self.firing_ms), strict=True)
        ]
        beyond = log10(schedules / self.sizes[-1])
        return max(self.firing_ms) + max(0.0, beyond) * max([0.0, *steps])


class Day(NamedTuple):
    """What one day asks of the system, minute by minute summed up."""

    schedules: int
    firings: float
    worst_minute: float
    cap: int
    longest_line: float
    longest_wait_min: float


def day(schedules: int, jitter_min: int = 1) -> Day:
    """A Monday under the cap that is busy for its part of the day; what cannot start waits in line."""
    due = [schedules * it for it in _spread(jitter_min)]
    cap = ceil(sum(due) * EXECUTES_S / (24 * 3600) / BUSY)
    per_minute = cap * 60 / EXECUTES_S
    line = longest = 0.0
    # Twice, so that what is left of the evening before is in line at midnight.
    for it in due * 2:
        line = max(0.0, line + it - per_minute)
        longest = max(longest, line)
    return Day(schedules, sum(due), max(due), cap, longest, longest / per_minute)


@cache
def _spread(jitter_min: int) -> list[float]:
    """The share of all schedules that is due in each minute; each occurrence spread over so many minutes."""
    shares = [0.0] * MINUTES
    for share, text in MIX:
        cron, end = parse_cron(text), _MONDAY + timedelta(days=1)
        for it in occurrences(
            cron, ZoneInfo("UTC"), _MONDAY - timedelta(minutes=1), end - timedelta(minutes=1), MINUTES
        ):
            minute = round((it - _MONDAY).total_seconds() / 60)
            for later in range(jitter_min):
                shares[(minute + later) % MINUTES] += share / jitter_min
    return shares


def as_table(costs: Costs, days: Sequence[Day]) -> str:
    """One column a size, and the largest once more divided among as many installations as it needs."""
    needed = _installations(costs, days[-1])
    part = day(days[-1].schedules // needed)
    heads = [f"{it.schedules:,}" for it in days] + [f"one of {needed:,} for {days[-1].schedules:,}"]
    columns = [_column(costs, it) for it in (*days, part)]
    lines = [f"| schedules | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [f"| {what} | {' | '.join(column[what] for column in columns)} |" for what in columns[0]]
    return "\n".join([*lines, ""])


def _installations(costs: Costs, it: Day) -> int:
    """How many share the work: Postgres by its cores, Redis by its one."""
    rate = it.firings / (24 * 3600)
    return ceil(
        max(rate * costs.firing_ms_at(it.schedules) / 1000 / (CORES * USED), rate * costs.redis_ms / 1000 / USED)
    )


def _column(costs: Costs, it: Day) -> dict[str, str]:
    rate = it.firings / (24 * 3600)
    kept = it.firings * costs.firing_bytes * Settings().keep_firings_days
    return {
        "firings a day": _short(it.firings),
        "firings a second, on the mean": _short(rate),
        "due in the worst minute": _short(it.worst_minute),
        "ticks for that minute": _short(ceil(it.worst_minute / Settings().tick_batch)),
        "processor seconds of beats for it": _short(it.worst_minute * costs.beat_ms / 1000),
        f"cap that is busy for {BUSY:.0%} of the day": _short(it.cap),
        "longest line under it": _short(it.longest_line),
        "longest wait in it, minutes": _short(it.longest_wait_min),
        "the same with a jitter of an hour": _short(day(it.schedules, 60).longest_wait_min),
        "the line in Redis, GB": _short(it.longest_line * costs.waiter_bytes / 1e9),
        "schedules, GB": _short(it.schedules * costs.schedule_bytes / 1e9),
        "their indexes, GB": _short(it.schedules * costs.schedule_index_bytes / 1e9),
        "history a day, GB": _short(it.firings * costs.firing_bytes / 1e9),
        f"history kept, GB ({Settings().keep_firings_days:g} days)": _short(kept / 1e9),
        "cores of Postgres, on the mean": _short(rate * costs.firing_ms_at(it.schedules) / 1000),
        "cores of Redis, on the mean": _short(rate * costs.redis_ms / 1000),
    }


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
