"""When a schedule that is saved or resumed runs next, and which of its settings cannot go together.

What its times owed until then and nobody decided is told too, so that it can be recorded: no occurrence is
lost to an edit or a pause without a word.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.rules.cron import Cron, parse_cron
from shared.rules.cron_notes import Note, notes
from shared.rules.jitter import jitter
from shared.rules.missed import Missed, ScheduleFacts, SkipRange, first_due, passed
from shared.rules.overlap import may_catch_up
from shared.rules.reasons import SkipReason
from shared.rules.refused import RefusedValueError
from shared.rules.zones import parse_zone

ONCE = "once"
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Timing:
    """What decides when a schedule runs, as a person wrote it."""

    id: UUID
    kind: str
    cron: str | None
    run_at: datetime | None
    timezone: str
    jitter_s: int
    start_at: datetime | None
    end_at: datetime | None
    remaining_runs: int | None
    missed: str
    overlap: str

    @classmethod
    def of(cls, row: Any) -> "Timing":
        """That of a schedule's row."""
        return cls(**{it: getattr(row, it) for it in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Plan:
    """Cron and zone as they are stored, when it is due next, and what its owner should hear.

    Later occurrences than `since` are owed by it; `skipped` are those that its former times still owed.
    """

    cron: str | None
    timezone: str
    next_run_at: datetime
    notes: tuple[Note, ...]
    since: datetime
    skipped: tuple[SkipRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a schedule has come: when it is due, the newest occurrence that was decided, why it waits if it does."""

    next_run_at: datetime | None
    newest: datetime | None = None
    paused_for: str | None = None

    @classmethod
    def of(cls, row: Any, newest: datetime | None) -> "Standing":
        """That of a schedule's row."""
        return cls(row.next_run_at, newest, (row.paused_reason or "manual") if row.status == "paused" else None)

    @property
    def reason(self) -> SkipReason:
        """Why what came and was not decided is skipped."""
        if self.paused_for is None:
            return SkipReason.MISSED
        return SkipReason.QUARANTINED if self.paused_for == SkipReason.QUARANTINED else SkipReason.PAUSED


def facts_of(row: Any) -> ScheduleFacts:
    """What decides about the occurrences of a schedule's row that is due."""
    return ScheduleFacts(
        next_run_at=row.next_run_at,
        cron=None if row.cron is None else parse_cron(row.cron),
        zone=ZoneInfo(row.timezone),
        missed=row.missed,
        overlap=row.overlap,
        start_deadline_s=row.start_deadline_s,
        jitter=jitter(row.id, row.jitter_s),
        start_at=row.start_at,
        end_at=row.end_at,
        remaining_runs=row.remaining_runs,
        deferred_until=row.deferred_until,
    )


def check(timing: Timing) -> None:
    """RefusedValueError for what cannot go together, whatever the time."""
    if timing.kind == ONCE and timing.run_at is None:
        raise RefusedValueError("run_at", "run_at_missing", "A schedule of kind once needs run_at: give its moment.")
    if timing.kind == ONCE and timing.cron is not None:
        raise RefusedValueError("cron", "cron_not_for_once", "A schedule of kind once has no cron: leave it out.")
    if timing.kind != ONCE and timing.cron is None:
        raise RefusedValueError("cron", "cron_missing", "Give cron five fields, for example 30 9 * * mon-fri.")
    if timing.kind != ONCE and timing.run_at is not None:
        raise RefusedValueError("run_at", "run_at_only_for_once", "run_at is for kind once: use that, or leave it out.")
    if timing.start_at and timing.end_at and timing.start_at >= timing.end_at:
        raise RefusedValueError("end_at", "end_before_start", "end_at must be later than start_at.")
    if timing.missed == Missed.ALL and not may_catch_up(timing.overlap):
        raise RefusedValueError(
            "missed", "missed_needs_overlap", "missed = all goes only with overlap = queue_all or allow."
        )


def plan(timing: Timing, now: datetime, since: datetime | None = None) -> Plan:
    """The first occurrence later than `since` (or now); RefusedValueError if there is none, or it is not valid."""
    check(timing)
    since = now if since is None else since
    zone = parse_zone(timing.timezone)
    cron = None if timing.cron is None else parse_cron(timing.cron)
    if timing.run_at is not None:
        _check_moment(timing.run_at, timing.start_at, now)
    first = first_due(_facts(timing, cron, now), since)
    if first is None or _ends_before(timing):
        raise RefusedValueError("end_at", "no_occurrence", "No occurrence is left before end_at: choose a later one.")
    noted = () if cron is None else notes(cron, zone, now)
    return Plan(None if cron is None else cron.text, zone.key, first, noted, since)


def replan(old: Timing, new: Timing, standing: Standing, now: datetime) -> Plan:
    """The plan of a schedule that is edited or resumed (`new` is `old`); RefusedValueError as of `plan`.

    An active one keeps an occurrence that has come already, unless cron or zone are others now; what was
    decided already is not decided again, also where the clock was put back.
    """
    if standing.paused_for is None and standing.next_run_at is not None and _runs_by_the_same_clock(old, new):
        nominal = standing.next_run_at - jitter(old.id, old.jitter_s)
        if nominal <= now:
            return plan(new, now, nominal - _INSTANT)
    return replace(plan(new, now, max(now, standing.newest or now)), skipped=passed_by(old, standing, now))


def passed_by(timing: Timing, standing: Standing, now: datetime) -> tuple[SkipRange, ...]:
    """The occurrences up to `now` that nobody decided; where they cannot be computed, the one that was due."""
    if standing.next_run_at is None:
        return ()
    nominal = standing.next_run_at - jitter(timing.id, timing.jitter_s)
    try:
        cron = None if timing.cron is None else parse_cron(timing.cron)
        facts = replace(_facts(timing, cron, now), next_run_at=standing.next_run_at)
        return passed(facts, now, standing.reason)
    except RefusedValueError:
        return (SkipRange(nominal, nominal, 1, standing.reason),) if nominal <= now else ()


def refuse_past_start(start_at: datetime | None, now: datetime) -> None:
    """RefusedValueError for a `start_at`, given anew, that has passed."""
    if start_at is not None and start_at <= now:
        raise RefusedValueError("start_at", "start_at_past", "start_at has passed: leave it out to start now.")


def _facts(timing: Timing, cron: Cron | None, now: datetime) -> ScheduleFacts:
    late_by = jitter(timing.id, timing.jitter_s)
    return ScheduleFacts(
        next_run_at=(timing.run_at or now) + late_by,
        cron=cron,
        zone=parse_zone(timing.timezone),
        jitter=late_by,
        start_at=timing.start_at,
        end_at=timing.end_at,
        remaining_runs=timing.remaining_runs,
    )


def _runs_by_the_same_clock(old: Timing, new: Timing) -> bool:
    return (old.kind, old.cron, old.run_at, old.timezone) == (new.kind, new.cron, new.run_at, new.timezone)


def _check_moment(run_at: datetime, start_at: datetime | None, now: datetime) -> None:
    if run_at <= now:
        raise RefusedValueError("run_at", "run_at_past", "run_at has passed: give a moment that is still to come.")
    if start_at is not None and run_at < start_at:
        words = "run_at is before start_at: give a later moment, or leave start_at out."
        raise RefusedValueError("run_at", "run_at_before_start", words)


def _ends_before(timing: Timing) -> bool:
    return timing.run_at is not None and timing.end_at is not None and timing.run_at > timing.end_at
