"""Puts together what the first page says, from rows of one moment."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from console.deeds import raising
from console.pages import codes, timeline, words
from console.pages.spent import spent
from console.pages.upkeep import Alarm, Upkeep, upkeep
from console.pages.waits import Forecast, Place, places
from shared.rules.lasting import roughly
from shared.rules.line_order import PRIORITY_STEP
from shared.rules.raising import Raising
from shared.settings import resolve
from shared.store import cadence, failure_classes, fleet, gauges, overview, overview_workspaces, processes, settings
from shared.store import timeline as timeline_rows
from shared.store.connection import Database, Postgres
from shared.store.failure_classes import FailureClass
from shared.store.fleet import FleetPause

MOST_ENDED = 15
MOST_WAITING = 50
MOST_RUNNING = 100
# Looked at for the estimate, although not all of them are shown.
_MOST_HOLDERS = 1000
_MOST_STRETCHES = 2000
_MOST_OUTAGES = 20


@dataclass(frozen=True)
class View:
    """What of the timeline is wanted: so many hours, up to now or an earlier moment."""

    hours: float = 2
    until: datetime | None = None


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
    upkeep: Upkeep
    paused: FleetPause | None
    outages: list[FailureClass]
    places: dict[str, str]
    raising: Raising
    last_reaped: datetime | None


def board(database: Database, view: View) -> Board:
    """Reads the rows and says what follows from them; Redis is not asked."""
    with overview.one_moment(database) as connection:
        totals = overview.totals(connection)
        limits = overview.limits(connection)
        running = overview.running(connection, _MOST_HOLDERS)
        line = overview.line(connection, MOST_WAITING, PRIORITY_STEP)
        held = spent(connection, line, totals.now)
        ended = overview.ended(connection, MOST_ENDED)
        seen = timeline.window(totals.now, view.hours, view.until)
        stretches = timeline_rows.stretches(connection, seen.since, seen.until, _MOST_STRETCHES)
        paused = fleet.current(connection)
        outages = failure_classes.listing(connection, tripped=True, most=_MOST_OUTAGES)
        places = {str(it): name for it, name in overview_workspaces.names(connection)} if outages else {}
        kept = _upkeep(connection, totals.now)
        verdict = raising.verdict(connection)
        reaped = gauges.moment(connection).last_reaped
    alarms = [*_halted(paused), *([] if paused else _drained(limits)), *kept.alarms]
    return Board(
        now=totals.now,
        totals=totals,
        headline=_headline(limits, running, totals),
        alarms=sorted(alarms, key=lambda it: it.level != "danger"),
        meters=[_meter(it) for it in limits],
        line=list(_line(line, limits, running, totals.now, kept, held)),
        running=running[:MOST_RUNNING],
        ended=ended,
        timeline=timeline.draw(stretches, seen),
        upkeep=replace(kept, alarms=[]),
        paused=paused,
        outages=outages,
        places=places,
        raising=verdict,
        last_reaped=None if reaped is None else datetime.fromtimestamp(reaped, UTC),
    )


def _upkeep(connection: Postgres, now: datetime) -> Upkeep:
    known = {it.key: it for it in resolve(os.environ, settings.load(connection))}
    return upkeep(processes.listing(connection), cadence.passes(connection), known, now)


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
    return Meter(codes.limit(it.key, it.workspace), it.held, it.cap, min(it.held, it.cap), notes)


def _headline(limits: Sequence[overview.LimitUse], running: Sequence[overview.Runs], totals: overview.Totals) -> str:
    whole = limits[0]
    told = [f"{whole.held} of {words.counted(whole.cap, 'slot')} in use"]
    told.append(
        f"{totals.waiting:,} {'waits' if totals.waiting == 1 else 'wait'}" if totals.waiting else "nobody waits"
    )
    if whole.held >= whole.cap > 0:
        seconds, sure = Forecast(limits, running, totals.now).free["fleet"][0]
        told.append(f"next slot {'in about' if sure else 'within'} {roughly(max(seconds, 1))}")
    return ", ".join(told)


def _halted(paused: FleetPause | None) -> list[Alarm]:
    if paused is None:
        return []
    note = f" ({paused.note})" if paused.note else ""
    told = f"The fleet is paused by {paused.paused_by} since {paused.paused_at:%d %b %H:%M} UTC{note}."
    return [Alarm("warning", f"{told} What runs goes on, nothing starts; occurrences are skipped.")]


def _drained(limits: Sequence[overview.LimitUse]) -> list[Alarm]:
    drained = [codes.limit(it.key, it.workspace) for it in limits if it.cap == 0]
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
    held: Mapping[UUID, str],
) -> list[Place]:
    otherwise = "starting: a slot is free, its message is on the way"
    if not kept.capacity:
        otherwise = "no worker gives a sign"
    elif len(running) >= kept.capacity:
        otherwise = f"all {words.counted(kept.capacity, 'worker process', 'worker processes')} are busy"
    return list(places(line, limits, Forecast(limits, running, now), now, otherwise, held))
