"""When a schedule that is saved or resumed runs next, and which of its settings cannot go together."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.rules.cron import Cron, parse_cron
from shared.rules.cron_notes import Note, notes
from shared.rules.jitter import jitter
from shared.rules.missed import Missed, ScheduleFacts, first_due
from shared.rules.overlap import may_catch_up
from shared.rules.refused import RefusedValueError
from shared.rules.zones import parse_zone

ONCE = "once"


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


@dataclass(frozen=True, slots=True)
class Plan:
    """Cron and zone as they are stored, when it is due next, and what its owner should hear."""

    cron: str | None
    timezone: str
    next_run_at: datetime
    notes: tuple[Note, ...]


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


def plan(timing: Timing, now: datetime) -> Plan:
    """The first occurrence later than `now`; RefusedValueError if there is none, or something is not valid."""
    check(timing)
    zone = parse_zone(timing.timezone)
    cron = None if timing.cron is None else parse_cron(timing.cron)
    if timing.run_at is not None and timing.run_at <= now:
        raise RefusedValueError("run_at", "run_at_past", "run_at has passed: give a moment that is still to come.")
    facts = _facts(timing, cron, now)
    first = first_due(facts, now)
    if first is None or _ends_before(timing):
        raise RefusedValueError("end_at", "no_occurrence", "No occurrence is left before end_at: choose a later one.")
    noted = () if cron is None else notes(cron, zone, now)
    return Plan(None if cron is None else cron.text, zone.key, first, noted)


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


def _ends_before(timing: Timing) -> bool:
    return timing.run_at is not None and timing.end_at is not None and timing.run_at > timing.end_at
