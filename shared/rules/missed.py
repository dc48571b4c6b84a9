"""What a due schedule does now: which occurrences fire, which are skipped, when the next one is due.

SCH-2, SCH-8, SCH-10. A schedule is due at its occurrence (`nominal`) plus its jitter; `next_run_at` has both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.rules.cron import Cron, count_between, last_until, meant_by, next_after
from shared.rules.overlap import Overlap, may_catch_up
from shared.rules.reasons import SkipReason

MOST_AT_ONCE = 100
ON_TIME = timedelta(seconds=60)  # with missed = none: what beat comes to within a minute was not missed
_INSTANT = timedelta(microseconds=1)
_NO_TIME = timedelta()


class Missed(StrEnum):
    """What a schedule wants of occurrences nobody was up for; the values are those of `schedules.missed`."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """What the decision needs of a schedule's row; `cron` is None for one that runs once."""

    next_run_at: datetime
    cron: Cron | None
    zone: ZoneInfo
    missed: Missed | str = Missed.LATEST
    overlap: Overlap | str = Overlap.SKIP
    start_deadline_s: int | None = None
    jitter: timedelta = _NO_TIME
    start_at: datetime | None = None
    end_at: datetime | None = None
    remaining_runs: int | None = None
    deferred_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SkipRange:
    """Consecutive occurrences that made no firing, for one reason; both ends belong to it."""

    first_at: datetime
    last_at: datetime
    count: int
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Due:
    """`fire`: nominal times, oldest first. `next_run_at`: when due again, None for never.

    `next_if_refused` stands in its place if not all of them fire after all (overlap, native, ...): it does not
    count them against `remaining_runs`.
    """

    fire: tuple[datetime, ...]
    skips: tuple[SkipRange, ...]
    next_run_at: datetime | None
    next_if_refused: datetime | None


_FINISHED = Due((), (), None, None)


def due_now(facts: ScheduleFacts, now: datetime) -> Due:
    """What to do with a schedule at `now`; nothing, and the same `next_run_at`, while it is not due.

    BadCron if the next occurrence cannot be computed: set the schedule aside, nobody else.
    """
    if max(facts.next_run_at, facts.deferred_until or facts.next_run_at) > now:
        return Due((), (), facts.next_run_at, facts.next_run_at)
    nominal = _nominal(facts)
    if _is_over(facts, nominal):
        return _FINISHED
    if facts.cron is None:
        return _one(facts, nominal, None, now)
    if facts.start_at and nominal < facts.start_at:
        nominal = next_after(facts.cron, facts.zone, facts.start_at - _INSTANT)
    if nominal > _horizon(facts, now):
        after = _within(facts, nominal)
        return Due((), (), after, after)
    following = next_after(facts.cron, facts.zone, nominal)
    if following > _horizon(facts, now):
        return _one(facts, nominal, _within(facts, following), now)
    return _several(_Backlog(facts, facts.cron, nominal, following, now))


def first_due(facts: ScheduleFacts, after: datetime) -> datetime | None:
    """The `next_run_at` of a new, edited or resumed schedule: of its first occurrence later than `after`.

    `after` is now, or now - jitter to keep an occurrence whose delay is not over yet. For one that runs once
    it is the given `next_run_at`. None if its bounds leave no occurrence.
    """
    if _is_over(facts, after):
        return None
    if facts.cron is None:
        return facts.next_run_at
    start = max(after, facts.start_at - _INSTANT) if facts.start_at else after
    return _within(facts, next_after(facts.cron, facts.zone, start))


def passed(facts: ScheduleFacts, until: datetime, reason: SkipReason) -> tuple[SkipRange, ...]:
    """Occurrences up to `until` that nobody decided, as one range; nothing if there are none.

    They came while the schedule was paused, or just before its times became others.
    """
    nominal, end = _nominal(facts), min(until, facts.end_at or until)
    if nominal > end or _is_over(facts, nominal):
        return ()
    if facts.cron is None:
        return (SkipRange(nominal, nominal, 1, reason),)
    if facts.start_at and nominal < facts.start_at:
        nominal = next_after(facts.cron, facts.zone, facts.start_at - _INSTANT)
    following = next_after(facts.cron, facts.zone, nominal)
    return _Backlog(facts, facts.cron, nominal, following, until).skipped(nominal, end + _INSTANT, reason)


@dataclass(frozen=True, slots=True)
class _Backlog:
    """More than one occurrence is due: `first` as the row has it, `following` and later by the cron."""

    facts: ScheduleFacts
    cron: Cron
    first: datetime
    following: datetime
    now: datetime

    def last_before(self, end: datetime) -> datetime:
        found = last_until(self.cron, self.facts.zone, end - _INSTANT, self.following)
        return found or self.first

    def skipped(self, begin: datetime, end: datetime, reason: SkipReason) -> tuple[SkipRange, ...]:
        """The range of occurrences with begin <= occurrence < end, if there are any."""
        begin = max(begin, self.first)
        has_first = begin == self.first < end
        start = self.first if has_first else next_after(self.cron, self.facts.zone, begin - _INSTANT)
        if start >= end:
            return ()
        counted_from = self.following if has_first else start
        count = has_first + count_between(self.cron, self.facts.zone, counted_from, end - _INSTANT)
        return (SkipRange(start, self.last_before(end), count, reason),)


def _one(facts: ScheduleFacts, nominal: datetime, after: datetime | None, now: datetime) -> Due:
    """The common case: one occurrence is due, the next one is not."""
    cutoff = _cutoff(facts, now)
    if cutoff and nominal < cutoff:
        return Due((), (SkipRange(nominal, nominal, 1, _too_late(facts)),), after, after)
    return Due((nominal,), (), _unless_spent(facts, 1, after), after)


def _several(backlog: _Backlog) -> Due:
    facts, now = backlog.facts, backlog.now
    horizon = _horizon(facts, now)
    after = _within(facts, next_after(backlog.cron, facts.zone, horizon))
    if facts.missed == Missed.ALL and may_catch_up(facts.overlap):
        fire, skips = _catch_up(backlog, horizon)
    else:
        fire, skips = _latest(backlog, horizon)
    # The runs that remain are its first ones: after them it is over, and later occurrences are none of its. But where
    # one of them is refused, the first that was left is due: its run is still to be had.
    mine = fire[: facts.remaining_runs]
    refused = _within(facts, fire[len(mine)]) if len(mine) < len(fire) else after
    return Due(mine, skips, _unless_spent(facts, len(mine), after), refused)


def _latest(backlog: _Backlog, horizon: datetime) -> tuple[tuple[datetime, ...], tuple[SkipRange, ...]]:
    last = backlog.last_before(horizon + _INSTANT)
    skips = backlog.skipped(backlog.first, last, SkipReason.MISSED)
    cutoff = _cutoff(backlog.facts, backlog.now)
    if cutoff and last < cutoff:
        return (), (*skips, SkipRange(last, last, 1, _too_late(backlog.facts)))
    return (last,), skips


def _catch_up(backlog: _Backlog, horizon: datetime) -> tuple[tuple[datetime, ...], tuple[SkipRange, ...]]:
    """The newest hundred that are not too late; were it the oldest, today's would be lost to last year's."""
    end = horizon + _INSTANT
    cutoff = max(_cutoff(backlog.facts, backlog.now) or backlog.first, backlog.first)
    fire: list[datetime] = []
    while len(fire) < MOST_AT_ONCE and (not fire or fire[-1] > backlog.first):
        found = backlog.last_before(fire[-1] if fire else end)
        if found < cutoff:
            break
        fire.append(found)
    fire.reverse()
    late = backlog.skipped(backlog.first, min(cutoff, end), SkipReason.DEADLINE)
    missed = backlog.skipped(cutoff, fire[0], SkipReason.MISSED) if fire else ()
    return tuple(fire), late + missed


def _nominal(facts: ScheduleFacts) -> datetime:
    """The occurrence that is due; by the rules of its zone as they are now, which may have changed since."""
    at = facts.next_run_at - facts.jitter
    return at if facts.cron is None else meant_by(facts.cron, facts.zone, at)


def _horizon(facts: ScheduleFacts, now: datetime) -> datetime:
    """Occurrences up to here are due."""
    due = now - facts.jitter
    return min(due, facts.end_at) if facts.end_at else due


def _cutoff(facts: ScheduleFacts, now: datetime) -> datetime | None:
    """Occurrences before this one are too late to start; None if none is. A deferral is not lateness."""
    allowed = None if facts.start_deadline_s is None else timedelta(seconds=facts.start_deadline_s)
    if facts.missed == Missed.NONE:
        allowed = ON_TIME if allowed is None else min(allowed, ON_TIME)
    if allowed is None or (facts.deferred_until and now - facts.deferred_until <= allowed):
        return None
    return now - facts.jitter - allowed


def _too_late(facts: ScheduleFacts) -> SkipReason:
    return SkipReason.MISSED if facts.missed == Missed.NONE else SkipReason.DEADLINE


def _is_over(facts: ScheduleFacts, nominal: datetime) -> bool:
    spent = facts.remaining_runs is not None and facts.remaining_runs <= 0
    return spent or (facts.end_at is not None and nominal > facts.end_at)


def _within(facts: ScheduleFacts, nominal: datetime) -> datetime | None:
    return None if facts.end_at and nominal > facts.end_at else nominal + facts.jitter


def _unless_spent(facts: ScheduleFacts, fired: int, after: datetime | None) -> datetime | None:
    return None if facts.remaining_runs is not None and facts.remaining_runs <= fired else after
