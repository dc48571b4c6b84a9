"""Which schedules of a workspace would work in the same five minutes, and where one has room (MAN-5, MAN-6).

A bucket is a real five-minute span, numbered since 1970. A schedule counts once in each bucket that it fires in,
by its average of turns; one that has none yet counts nothing.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from statistics import median
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.rules.cron import Cron, minute_from, occurrences, parse_cron
from shared.rules.cron_shift import shifts
from shared.rules.zones import EPOCH, is_known

WARNED_TURNS = 3000
SPAN = timedelta(hours=24)
BUCKET = timedelta(minutes=5)
BUCKET_MINUTES = 5
MOST_OFFSETS = 3
ANY_COMMAND = "generic"  # the adapter of whatever is not known to be an agent
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_INSTANT = timedelta(microseconds=1)
_MOST_IN_SPAN = 26 * 60


@dataclass(frozen=True, slots=True)
class Weighed:
    """When a schedule fires, and how many turns a firing of it takes; `cron` is None for one that runs once."""

    id: UUID
    name: str
    cron: str | None
    run_at: datetime | None
    timezone: str
    start_at: datetime | None = None
    end_at: datetime | None = None
    remaining_runs: int | None = None
    avg_turns: int | None = None


@dataclass(frozen=True, slots=True)
class Collision:
    """Buckets that are too full, by their beginnings; `turns` is the fullest's, `others` are in any of them."""

    others: tuple[Weighed, ...]
    buckets: tuple[datetime, ...]
    turns: int


@dataclass(frozen=True, slots=True)
class Offset:
    """A cron that would collide with nobody, and the turns in its fullest bucket."""

    cron: str
    turns: int


def collision(one: Weighed, others: Iterable[Weighed], now: datetime) -> Collision | None:
    """Where a schedule and others together reach the warned sum within 24 hours; None if nowhere."""
    own = buckets_of(one, now)
    load: Counter[int] = Counter()
    sharing: list[tuple[Weighed, frozenset[int]]] = []
    for other in others:
        if other.id != one.id and other.avg_turns and (shared := own & buckets_of(other, now)):
            sharing.append((other, shared))
            for bucket in shared:
                load[bucket] += other.avg_turns
    weight = one.avg_turns or 0
    crowded = {bucket for bucket, turns in load.items() if turns + weight >= WARNED_TURNS}
    if not crowded:
        return None
    there = sorted((it for it, shared in sharing if shared & crowded), key=lambda it: (-(it.avg_turns or 0), it.id))
    return Collision(
        tuple(there),
        tuple(EPOCH + bucket * BUCKET for bucket in sorted(crowded)),
        max(load[bucket] for bucket in crowded) + weight,
    )


def free_offsets(one: Weighed, others: Iterable[Weighed], now: datetime) -> tuple[Offset, ...]:
    """The three best other minutes of its hours, where the warned sum is not reached; the emptiest first."""
    if one.cron is None:
        return ()
    load: Counter[int] = Counter()
    for other in others:
        if other.id != one.id and other.avg_turns:
            for bucket in buckets_of(other, now):
                load[bucket] += other.avg_turns
    ranked: list[tuple[int, int, int, str]] = []
    for nth, moved in enumerate(shifts(parse_cron(one.cron))):
        turns = [load[it] for it in _cron_buckets(moved, one, now)]
        peak = max(turns, default=0) + (one.avg_turns or 0)
        if turns and peak < WARNED_TURNS:
            ranked.append((peak, sum(turns), nth, moved.text))
    return tuple(Offset(text, peak) for peak, _, _, text in sorted(ranked)[:MOST_OFFSETS])


def buckets_of(one: Weighed, now: datetime) -> frozenset[int]:
    """The buckets that a schedule's nominal times lie in, from `now` for 24 hours."""
    if one.cron is not None:
        return _cron_buckets(parse_cron(one.cron), one, now)
    there = one.run_at is not None and now <= one.run_at < now + SPAN
    return frozenset([(one.run_at - EPOCH) // BUCKET]) if there and one.run_at else frozenset()


def calibration(averages: Sequence[int]) -> int | None:
    """The median of what schedules like it take on average, in turns; None where none was measured."""
    return int(median(averages) + 0.5) if averages else None


def adapter_of(target: dict[str, object]) -> str:
    """What tells a target's turns: the adapter of a command, else the kind of target."""
    return str(target.get("adapter") or (ANY_COMMAND if target.get("kind") == "command" else target.get("kind")))


def _cron_buckets(cron: Cron, one: Weighed, now: datetime) -> frozenset[int]:
    """As `buckets_of`, with another cron in place of its own."""
    if not is_known(one.timezone):
        return frozenset()
    minutes = _minutes(cron, ZoneInfo(one.timezone), (now - EPOCH) // _HOUR)
    start = bisect_left(minutes, minute_from(max(now, one.start_at or now)))
    until = now + SPAN if one.end_at is None else min(now + SPAN, one.end_at + _INSTANT)
    found = minutes[start : bisect_left(minutes, minute_from(until))][: one.remaining_runs]
    return frozenset(it // BUCKET_MINUTES for it in found)


@lru_cache(maxsize=2048)
def _minutes(cron: Cron, zone: ZoneInfo, hour: int) -> "array[int]":
    """A cron's occurrences from a full hour for 25 hours: most schedules share theirs with others."""
    start = EPOCH + hour * _HOUR
    found = occurrences(cron, zone, start, start + SPAN + _HOUR, _MOST_IN_SPAN)
    return array("q", [(it - EPOCH) // _MINUTE for it in found])
