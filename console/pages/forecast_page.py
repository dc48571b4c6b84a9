"""The coming day as a heat map: when each schedule starts, where it is crowded, how full each limit gets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from console.api.state import Rows
from console.deeds import forecasting
from console.pages import codes, words
from console.pages.answers import PageRoute
from console.pages.render import show
from shared.rules.forecast.occupancy import Occupancy
from shared.rules.forecast.told import WAIT_MS, Crowd, Forecast, Start
from shared.rules.lasting import lasting, roughly
from shared.store import overview_workspaces

MOST_ROWS = 40
_CELLS = 96
_MOST_STARTS = 20_000
_HEATS = 4

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class Cell:
    """One stretch of time: how hot from 0 to 4, whether somebody waits in it, and its words."""

    x: float
    heat: int
    waits: bool
    title: str


@dataclass(frozen=True)
class HeatRow:
    """A schedule, or all of them together, across the day."""

    name: str
    schedule: UUID | None
    firings: int
    waits: str
    cells: list[Cell]


@dataclass(frozen=True)
class Busy:
    """A limit hour by hour, each from 0 to 4, with its words."""

    name: str
    told: str
    hours: list[tuple[float, int, str]]


@dataclass(frozen=True)
class Crowds:
    """Spans in which the same schedules wait for the same: the first of them, how many, the longest wait."""

    first: Crowd
    times: int
    longest_wait_s: float


@router.get("/forecast")
def forecast(request: Request, rows: Rows, hours: Annotated[int, Query(ge=1, le=168)] = 24) -> Response:
    """The coming hours."""
    seen = forecasting.forecast(rows, hours, _MOST_STARTS)
    names = {str(it): name for it, name in overview_workspaces.names(rows.connection())}
    cell = timedelta(hours=hours) / _CELLS
    told: dict[str, Any] = {
        "every": _row("all schedules", None, seen.starts, seen.now, cell),
        "rows": _rows(seen, cell),
        "busy": [_busy(it, seen.now, names, hours) for it in seen.limits],
        "crowds": _crowds(seen.crowded),
        "ticks": _ticks(seen.now, hours),
        "width": round(100 / _CELLS, 3),
    }
    return show(
        request, "forecast.html", seen=seen, now=seen.now, hours=hours, limit_name=codes.limit, names=names, **told
    )


def _crowds(found: Sequence[Crowd]) -> list[Crowds]:
    alike: defaultdict[Any, list[Crowd]] = defaultdict(list)
    for it in found:
        alike[it.schedules, it.waits_for].append(it)
    return [Crowds(it[0], len(it), max(one.longest_wait_s for one in it)) for it in alike.values()]


def _rows(seen: Forecast, cell: timedelta) -> list[HeatRow]:
    of: defaultdict[UUID | None, list[Start]] = defaultdict(list)
    for it in seen.starts:
        of[it.schedule_id].append(it)
    busiest = sorted(of.items(), key=lambda it: -len(it[1]))[:MOST_ROWS]
    drawn = [_row(found[0].name, schedule, found, seen.now, cell) for schedule, found in busiest]
    return sorted(drawn, key=lambda it: it.name)


def _row(name: str, schedule: UUID | None, starts: Sequence[Start], now: datetime, cell: timedelta) -> HeatRow:
    """Its own busiest cell is the hottest: what is told is when it starts more than at other times."""
    count: defaultdict[int, int] = defaultdict(int)
    longest: defaultdict[int, float] = defaultdict(float)
    for it in starts:
        nth = min(int((it.nominal_at - now) / cell), _CELLS - 1)
        if nth >= 0:
            count[nth] += 1
            longest[nth] = max(longest[nth], it.wait_s)
    peak = max(count.values(), default=1)
    cells = [_cell(nth, count[nth], (peak, longest[nth]), now + nth * cell) for nth in sorted(count)]
    most = max(longest.values(), default=0)
    return HeatRow(name, schedule, len(starts), roughly(most) if most * 1000 >= WAIT_MS else "", cells)


def _cell(nth: int, count: int, of: tuple[int, float], at: datetime) -> Cell:
    peak, wait_s = of
    waits = wait_s * 1000 >= WAIT_MS
    told = f"from {at:%a %H:%M}: {words.counted(count, 'start')}"
    title = told + (f", waiting up to {lasting(wait_s)}" if waits else "")
    return Cell(round(nth * 100 / _CELLS, 3), ceil(_HEATS * count / peak), waits, title)


def _busy(limit: Occupancy, now: datetime, names: dict[str, str], hours: int) -> Busy:
    name = codes.limit(limit.limit, names.get(limit.limit.partition(":")[2]))
    drawn: list[tuple[float, int, str]] = []
    for nth, share in enumerate(limit.hours):
        at = now + timedelta(hours=nth)
        heat = 0 if share <= 0 else 1 + sum(share >= step for step in (0.25, 0.5, 0.8))
        drawn.append((round(nth * 100 / hours, 3), heat, f"from {at:%a %H:%M}: {share:.0%} of its {limit.cap}"))
    full = f", full for {roughly(limit.full_s)}" if limit.full_s else ""
    return Busy(name, f"{limit.busy_share:.0%} busy{full}", drawn)


def _ticks(now: datetime, hours: int) -> list[tuple[float, str, str]]:
    found: list[tuple[float, str, str]] = []
    for nth in range(5):
        at = now + timedelta(hours=hours * nth / 4)
        anchor = "start" if nth == 0 else "end" if nth == 4 else "middle"
        found.append((nth * 25, anchor, "now" if nth == 0 else at.strftime("%a %H:%M" if hours > 24 else "%H:%M")))
    return found
