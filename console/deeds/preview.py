"""When a schedule would run, before it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from console.problems import refused
from shared.rules.cron import next_after, parse_cron
from shared.rules.cron_notes import Note, saturation
from shared.rules.cron_words import describe
from shared.rules.jitter import jitter
from shared.rules.planning import Timing, plan, refuse_past_start
from shared.rules.refused import RefusedValueError
from shared.rules.zones import is_known
from shared.store import schedules
from shared.store.connection import Database
from shared.store.schedules import Schedule

NEXT = 5
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Preview:
    """In words, the next occurrences at their nominal times, and what its owner should hear."""

    words: str
    occurrences: tuple[datetime, ...]
    warnings: tuple[Note, ...]


def preview(database: Database, values: Mapping[str, Any]) -> Preview:
    """The next five occurrences; a Problem for what could not be saved."""
    now = schedules.now(database.connection())
    timing = Timing(id=uuid7(), **{it: values[it] for it in Timing.__slots__ if it != "id"})
    try:
        refuse_past_start(timing.start_at, now)
        planned = plan(timing, now)
    except RefusedValueError as error:
        raise refused(error) from error
    if planned.cron is None:
        return Preview("once", (planned.next_run_at,), planned.notes)
    zone, lasts = ZoneInfo(planned.timezone), values.get("max_run_seconds")
    known = None if lasts is None else timedelta(seconds=lasts)
    notes = planned.notes + saturation(parse_cron(planned.cron), zone, now, known, timing.overlap)
    words = f"{describe(parse_cron(planned.cron))} ({planned.timezone})"
    return Preview(words, tuple(_following(timing, (planned.cron, planned.timezone), now, NEXT)), notes)


def upcoming(known: Schedule, now: datetime, most: int) -> list[datetime]:
    """The next nominal times of a schedule as it stands; a paused one's, as if it were resumed now.

    One that a person took out is among them: it comes, but it is none of the runs that remain.
    """
    if not is_known(known.timezone):
        return []
    if known.cron is None:
        return [] if known.run_at is None or known.next_run_at is None else [known.run_at]
    timing, after = Timing.of(known), now
    if known.status == "active" and known.skip_next_at is not None and timing.remaining_runs is not None:
        timing = replace(timing, remaining_runs=timing.remaining_runs + 1)
    if known.status == "active" and known.next_run_at is not None:
        after = known.next_run_at - jitter(known.id, known.jitter_s) - _INSTANT
    return _following(timing, (known.cron, known.timezone), after, most)


def _following(timing: Timing, times: tuple[str, str], now: datetime, most: int) -> list[datetime]:
    cron, zone = parse_cron(times[0]), ZoneInfo(times[1])
    at = max(now, timing.start_at - _INSTANT) if timing.start_at else now
    found: list[datetime] = []
    while len(found) < min(most, timing.remaining_runs or most):
        at = next_after(cron, zone, at)
        if timing.end_at is not None and at > timing.end_at:
            break
        found.append(at)
    return found
