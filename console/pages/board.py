"""Puts together what the first page says, from rows of one moment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from console.pages import timeline, words
from console.pages.upkeep import Alarm, Upkeep, upkeep
from console.pages.waits import Forecast, Place, places
from shared.rules.line_order import PRIORITY_STEP
from shared.settings import resolve
from shared.store import cadence, overview, overview_schedules, processes, settings
from shared.store.connection import Database

MOST_SCHEDULES = 200
MOST_ENDED = 20
MOST_WAITING = 50
MOST_RUNNING = 100
# Looked at for the estimate, although not all of them are shown.
_MOST_HOLDERS = 1000
_MOST_STRETCHES = 600


@dataclass(frozen=True)
class Meter:
    """A limit as the page shows it; `shown` is never above the cap, the notes say the rest."""

    label: str
    held: int
    cap: int
    shown: int
    notes: list[str]


@dataclass(frozen=True)
class Board:
    """Everything on the first page."""

    now: datetime
    totals: overview.Totals
    headline: str
    alarms: list[Alarm]
    meters: list[Meter]
    line: list[Place]
    running: list[overview.Runs]
    ended: list[overview.Over]
    timeline: timeline.Timeline
    schedules: list[overview_schedules.ScheduleRow]
    upkeep: Upkeep
    wanted: str


def board(database: Database, wanted: str) -> Board:
    """Reads the rows and says what follows from them; Redis is not asked."""
    with overview.one_moment(database) as connection:
        totals = overview.totals(connection, wanted)
        limits = overview.limits(connection)
        running = overview.running(connection, _MOST_HOLDERS)
        line = overview.line(connection, MOST_WAITING, PRIORITY_STEP)
        ended = overview.ended(connection, MOST_ENDED)
        stretches = overview.stretches(connection, timeline.SPAN, _MOST_STRETCHES)
        schedules = overview_schedules.schedules(connection, wanted, MOST_SCHEDULES)
        alive = processes.listing(connection)
        passes = cadence.passes(connection)
        table = settings.load(connection)
    known = {it.key: it for it in resolve(os.environ, table)}
    kept = upkeep(alive, passes, known, totals.now)
    meters = [_meter(it) for it in limits]
    alarms = [*_drained(limits), *kept.alarms]
    return Board(
        now=totals.now,
        totals=totals,
        headline=_headline(limits, running, totals),
        alarms=sorted(alarms, key=lambda it: it.level != "danger"),
        meters=meters,
        line=list(_line(line, limits, running, totals.now, kept)),
        running=running[:MOST_RUNNING],
        ended=ended,
        timeline=timeline.draw(stretches, totals.now),
        schedules=schedules,
        upkeep=replace(kept, alarms=[]),
        wanted=wanted,
    )


def _meter(it: overview.LimitUse) -> Meter:
    notes: list[str] = []
    if it.cap == 0:
        notes.append("drain: cap 0, nothing starts")
    elif it.held >= it.cap:
        notes.append("full")
    if it.forced:
        notes.append(f"{it.forced} forced beyond the cap")
    if it.surplus:
        notes.append(f"{it.surplus} surplus: the cap was lowered, these run on")
    return Meter(words.limit(it.key, it.workspace), it.held, it.cap, min(it.held, it.cap), notes)


def _headline(limits: Sequence[overview.LimitUse], running: Sequence[overview.Runs], totals: overview.Totals) -> str:
    fleet = limits[0]
    told = [f"{fleet.held} of {words.counted(fleet.cap, 'slot')} in use"]
    told.append(
        f"{totals.waiting:,} {'waits' if totals.waiting == 1 else 'wait'}" if totals.waiting else "nobody waits"
    )
    if fleet.held >= fleet.cap > 0:
        seconds, sure = Forecast(limits, running, totals.now).free["fleet"][0]
        told.append(f"next slot {'in about' if sure else 'within'} {words.roughly(max(seconds, 1))}")
    return ", ".join(told)


def _drained(limits: Sequence[overview.LimitUse]) -> list[Alarm]:
    drained = [words.limit(it.key, it.workspace) for it in limits if it.cap == 0]
    if not drained:
        return []
    return [
        Alarm("warning", f"Drain: the cap of {', '.join(drained)} is 0. What runs goes on, nothing starts under it.")
    ]


def _line(
    line: Sequence[overview.Waits],
    limits: Sequence[overview.LimitUse],
    running: Sequence[overview.Runs],
    now: datetime,
    kept: Upkeep,
) -> list[Place]:
    otherwise = "starting: a slot is free, its message is on the way"
    if not kept.capacity:
        otherwise = "no worker gives a sign"
    elif len(running) >= kept.capacity:
        otherwise = f"all {words.counted(kept.capacity, 'worker process', 'worker processes')} are busy"
    return list(places(line, limits, Forecast(limits, running, now), now, otherwise))


def due(it: overview_schedules.ScheduleRow) -> datetime | None:
    """When a schedule is due: at its occurrence, or later if it was put off."""
    if it.status != "active" or it.next_run_at is None:
        return None
    return max(it.next_run_at, it.deferred_until or it.next_run_at)
