"""Which occurrences of the past a backfill fires, and what becomes of the skips that they replace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.rules.cron import Cron, count_between, last_until, next_after, occurrences
from shared.rules.missed import SkipRange
from shared.rules.reasons import SkipReason
from shared.rules.refused import RefusedValueError

MOST = 1000
_LONGEST = 20_000
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A recorded skip: consecutive occurrences of one reason."""

    id: UUID
    first_at: datetime
    last_at: datetime
    count: int
    reason: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What is left of a skip that a backfill takes occurrences out of."""

    of: Skipped
    left: SkipRange


@dataclass(frozen=True, slots=True)
class Backfill:
    """`fire`, oldest first; `replaced` skips go, their `pieces` stay; `foreign` ones were skipped by other times."""

    fire: tuple[datetime, ...]
    replaced: tuple[Skipped, ...]
    pieces: tuple[Piece, ...]
    fired_already: int
    foreign: int


def plan_backfill(
    when: tuple[Cron, ZoneInfo],
    span: tuple[datetime, datetime],
    fired: Sequence[datetime],
    skips: Sequence[Skipped],
) -> Backfill:
    """The occurrences of the span, ends included, that made no firing; RefusedValueError for too many.

    A skip that the times as they are now would not have made was made by former ones: what lies in it stays.
    """
    cron, zone = when
    if count_between(cron, zone, *span) > _LONGEST:
        raise _too_many(f"more than {_LONGEST}")
    named = occurrences(cron, zone, *span, _LONGEST)
    done = frozenset(fired)
    ours = [it for it in skips if _is_of(when, it)]
    others = [it for it in skips if it not in ours]
    foreign = {at for at in named for it in others if it.first_at <= at <= it.last_at}
    fire = tuple(at for at in named if at not in done and at not in foreign)
    if len(fire) > MOST:
        raise _too_many(str(len(fire)))
    taken = {it: [at for at in fire if it.first_at <= at <= it.last_at] for it in ours}
    replaced = tuple(it for it in ours if taken[it])
    pieces = tuple(piece for it in replaced for piece in _pieces(when, it, taken[it]))
    return Backfill(fire, replaced, pieces, sum(at in done for at in named), len(foreign - done))


def _too_many(count: str) -> RefusedValueError:
    words = f"The range holds {count} occurrences to fire; at most {MOST} go at once. Choose an earlier end."
    return RefusedValueError("end", "backfill_too_large", words)


def _is_of(when: tuple[Cron, ZoneInfo], skip: Skipped) -> bool:
    ends = [count_between(*when, at, at) for at in (skip.first_at, skip.last_at)]
    return ends == [1, 1] and count_between(*when, skip.first_at, skip.last_at) == skip.count


def _pieces(when: tuple[Cron, ZoneInfo], skip: Skipped, taken: Sequence[datetime]) -> Iterator[Piece]:
    begin = skip.first_at
    for at in [*taken, None]:
        end = skip.last_at if at is None else at - _INSTANT
        count = count_between(*when, begin, end)
        if count:
            first, last = next_after(*when, begin - _INSTANT), last_until(*when, end, begin)
            yield Piece(skip, SkipRange(first, last or first, count, SkipReason(skip.reason)))
        begin = end + 2 * _INSTANT
