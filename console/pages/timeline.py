"""Draws a span of time: where each row's bars stand, in per cent of its width."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from console.pages import codes
from shared.rules.lasting import lasting
from shared.rules.zones import EPOCH
from shared.store.timeline import Stretch

MOST_ROWS = 14
MOST_LANES = 5
LANE_HEIGHT = 13
# A mark's width: closer ones would hide each other.
_MARK_PERCENT = 1.5
_LIVE = ("running", "waiting")
_AGAIN = {"requeued", "interrupted", "not_started"}
_ORDER = ("completed", "failed", "cancelled", "requeued", "running", "waiting")
_TICKS = 4

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Window:
    """The span that is drawn; `live` where it ends now."""

    since: datetime
    until: datetime
    now: datetime
    live: bool


@dataclass(frozen=True)
class Bar:
    """A stretch of one kind; x and width in per cent, y in pixels; `ends` marks its end."""

    kind: str
    x: float
    width: float
    y: int
    ends: bool
    title: str
    firing: UUID


@dataclass(frozen=True)
class Row:
    """The bars of one schedule, packed into as few lanes as show them all."""

    workspace: str
    title: str
    schedule: UUID | None
    height: int
    bars: list[Bar]
    summary: str


@dataclass(frozen=True)
class Tick:
    """A label of the axis."""

    x: float
    anchor: str
    text: str


@dataclass(frozen=True)
class Timeline:
    """All rows, and how many more schedules there are."""

    window: Window
    rows: list[Row]
    hidden: int
    ticks: list[Tick]


@dataclass(frozen=True)
class _Piece:
    kind: str
    start: datetime
    end: datetime
    title: str
    firing: UUID
    schedule: UUID | None


def window(now: datetime, hours: float, until: datetime | None) -> Window:
    """A span of so many hours, up to now or up to an earlier moment."""
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    end = now if until is None or until >= now else max(until, EPOCH)
    return Window(end - timedelta(hours=hours), end, now, end == now)


def draw(stretches: Sequence[Stretch], seen: Window) -> Timeline:
    """One row per schedule: those that are live or ended last are kept, and stand in alphabetical order."""
    rows: dict[_Key, list[_Piece]] = {}
    before: Stretch | None = None
    for it in stretches:
        same = before is not None and before.firing_id == it.firing_id
        since = before.ended_at if same and before is not None else it.queued_at
        rows.setdefault((it.workspace, it.title), []).extend(_pieces(it, since or it.queued_at, seen.now))
        before = it
    found = {
        key: [it for it in pieces if it.end > seen.since and it.start < seen.until] for key, pieces in rows.items()
    }
    newest = sorted((key for key in found if found[key]), key=lambda key: _recent(found[key]), reverse=True)
    shown = [_row(key, found[key], seen) for key in sorted(newest[:MOST_ROWS])]
    return Timeline(seen, shown, max(0, len(newest) - MOST_ROWS), _ticks(seen))


def _pieces(it: Stretch, since: datetime, now: datetime) -> Iterable[_Piece]:
    name = f"{it.title} #{it.number}"
    waited_until = it.claimed_at or it.finished_at or now
    waited = (waited_until - since).total_seconds()
    if waited >= 1 or it.claimed_at is None:
        told = f"{name} waited {lasting(waited)}"
        yield _Piece("waiting", since, waited_until, told, it.firing_id, it.schedule_id)
    if it.claimed_at is None:
        if it.finished_at is not None:
            told = f"{name}: cancelled in line"
            yield _Piece("cancelled", it.finished_at, it.finished_at, told, it.firing_id, it.schedule_id)
        return
    end = it.ended_at or now
    kind = _kind(it)
    reason = f" ({codes.reason(it.failure_reason)})" if kind in ("failed", "cancelled") else ""
    forced = ", forced" if it.forced else ""
    length = lasting((end - it.claimed_at).total_seconds())
    told = f"{name}, attempt {it.attempt}{forced}: {kind}{reason}, {length}"
    yield _Piece(kind, it.claimed_at, end, told, it.firing_id, it.schedule_id)


def _kind(it: Stretch) -> str:
    if it.ended_at is None:
        return "running"
    if it.outcome in _AGAIN:
        return "requeued"
    return it.outcome if it.outcome in _ORDER else "failed"


def _recent(pieces: Iterable[_Piece]) -> tuple[bool, datetime]:
    found = list(pieces)
    return any(it.kind in _LIVE for it in found), max(it.end for it in found)


def _row(key: _Key, pieces: Sequence[_Piece], seen: Window) -> Row:
    lanes: list[float] = []
    of_firing: dict[UUID, int] = {}
    bars: list[Bar] = []
    for it in pieces:
        x, end = _percent(it.start, seen), _percent(it.end, seen)
        lane = of_firing.get(it.firing)
        if lane is None:
            lane = next((n for n, taken in enumerate(lanes) if taken + _MARK_PERCENT <= x), len(lanes))
            lane = of_firing[it.firing] = min(lane, MOST_LANES - 1)
        lanes[lane : lane + 1] = [max(end, lanes[lane] if lane < len(lanes) else 0)]
        ends = it.kind != "waiting" and it.end <= seen.until
        width = round(max(end - x, 0.15), 2)
        bars.append(Bar(it.kind, round(x, 2), width, lane * LANE_HEIGHT, ends, it.title, it.firing))
    counts = [(kind, sum(it.kind == kind for it in pieces)) for kind in _ORDER]
    summary = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    height = max(len(lanes), 1) * LANE_HEIGHT
    return Row(key[0], key[1], pieces[-1].schedule, height, bars, f"{key[1]}: {summary}")


def _percent(moment: datetime, seen: Window) -> float:
    return min(100.0, max(0.0, (moment - seen.since) / (seen.until - seen.since) * 100))


def _ticks(seen: Window) -> list[Tick]:
    length = seen.until - seen.since
    found: list[Tick] = []
    for nth in range(_TICKS + 1):
        at = seen.since + length * nth / _TICKS
        anchor = "start" if nth == 0 else "end" if nth == _TICKS else "middle"
        text = "now" if nth == _TICKS and seen.live else at.strftime("%H:%M")
        found.append(Tick(round(nth / _TICKS * 100, 2), anchor, text))
    return found
