"""When a schedule that is resumed runs next."""

from datetime import datetime
from uuid import UUID

from fastapi import HTTPException

from shared.rules.cron import parse_cron
from shared.rules.jitter import jitter
from shared.rules.missed import ScheduleFacts, first_due
from shared.rules.refused import RefusedValueError
from shared.rules.zones import parse_zone
from shared.store.buttons import Paused


def next_occurrence(schedule: UUID, it: Paused) -> datetime:
    """Its first occurrence from now on, jitter included.

    Where there is none, or it cannot be computed, the answer is what is wrong: the schedule stays paused.
    """
    late_by = jitter(schedule, it.jitter_s)
    try:
        facts = ScheduleFacts(
            next_run_at=(it.run_at or it.now) + late_by,
            cron=parse_cron(it.cron) if it.cron else None,
            zone=parse_zone(it.timezone),
            jitter=late_by,
            start_at=it.start_at,
            end_at=it.end_at,
            remaining_runs=it.remaining_runs,
        )
        first = first_due(facts, it.now - late_by)
    except RefusedValueError as error:
        raise HTTPException(409, f"It cannot be resumed before it is edited: {error}") from error
    if first is None or (it.run_at is not None and first <= it.now):
        raise HTTPException(409, "It has no occurrence left: its end is reached, or its one moment has passed.")
    return first
