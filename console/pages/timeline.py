"""Draws the last half hour: where each row's bars stand, in per cent of its width."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from console.pages import words
from shared.store.overview import Stretch

SPAN = timedelta(minutes=30)
MOST_ROWS = 14
MOST_LANES = 6
LANE_HEIGHT = 16
# Bars closer than this would touch, and their marks would hide each other.
_MARK_PERCENT = 0.8
_LIVE = ("running", "waiting")
_AGAIN = {"requeued", "interrupted", "not_started"}
_ORDER = ("completed", "failed", "cancelled", "requeued", "running", "waiting")

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Bar:
    """A stretch of one kind; x and width in per cent, y in pixels; `ends` marks its end."""

    kind: str
    x: float
    width: float
    y: int
    ends: bool
    title: str


@dataclass(frozen=True)
class Row:
    """The bars of one schedule, packed into as few lanes as show them all."""

    workspace: str
    title: str
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

    rows: list[Row]
    hidden: int
    ticks: list[Tick]


@dataclass(frozen=True)
class _Piece:
    kind: str
    start: datetime
    end: datetime
    title: str
    firing: object


def draw(stretches: Sequence[Stretch], now: datetime) -> Timeline:
    """One row per schedule: those that are live or ended last are kept, and stand in alphabetical order."""
    rows: dict[_Key, list[_Piece]] = {}
    before: Stretch | None = None
    for it in stretches:
        same = before is not None and before.firing_id == it.firing_id
        since = before.ended_at if same and before is not None else it.queued_at
        rows.setdefault((it.workspace, it.title), []).extend(_pieces(it, since or it.queued_at, now))
        before = it
    seen = {key: [it for it in pieces if it.end > now - SPAN] for key, pieces in rows.items()}
    newest = sorted((key for key in seen if seen[key]), key=lambda key: _recent(seen[key]), reverse=True)
    shown = [_row(key, seen[key], now) for key in sorted(newest[:MOST_ROWS])]
    return Timeline(shown, max(0, len(newest) - MOST_ROWS), _ticks())


def _pieces(it: Stretch, since: datetime, now: datetime) -> Iterable[_Piece]:
    name = f"{it.title} #{it.number}"
    waited_until = it.claimed_at or it.finished_at or now
    waited = (waited_until - since).total_seconds()
    if waited >= 1 or it.claimed_at is None:
        told = f"{name} waited {words.lasting(waited)}"
        yield _Piece("waiting", since, waited_until, told, it.firing_id)
    if it.claimed_at is None:
        if it.finished_at is not None:
            told = f"{name}: cancelled in line"
            yield _Piece("cancelled", it.finished_at, it.finished_at, told, it.firing_id)
        return
    end = it.ended_at or now
    kind = _kind(it)
    reason = f" ({words.reason(it.failure_reason)})" if kind in ("failed", "cancelled") else ""
    forced = ", forced" if it.forced else ""
    length = words.lasting((end - it.claimed_at).total_seconds())
    told = f"{name}, attempt {it.attempt}{forced}: {kind}{reason}, {length}"
    yield _Piece(kind, it.claimed_at, end, told, it.firing_id)


def _kind(it: Stretch) -> str:
    if it.ended_at is None:
        return "running"
    if it.outcome in _AGAIN:
        return "requeued"
    return it.outcome if it.outcome in _ORDER else "failed"


def _recent(pieces: Iterable[_Piece]) -> tuple[bool, datetime]:
    found = list(pieces)
    return any(it.kind in _LIVE for it in found), max(it.end for it in found)


def _row(key: _Key, pieces: Sequence[_Piece], now: datetime) -> Row:
    lanes: list[float] = []
    of_firing: dict[object, int] = {}
    bars: list[Bar] = []
    for it in pieces:
        x, end = _percent(it.start, now), _percent(it.end, now)
        lane = of_firing.get(it.firing)
        if lane is None:
            lane = next((n for n, taken in enumerate(lanes) if taken + _MARK_PERCENT <= x), len(lanes))
            lane = of_firing[it.firing] = min(lane, MOST_LANES - 1)
        lanes[lane : lane + 1] = [max(end, lanes[lane] if lane < len(lanes) else 0)]
        ends = it.kind != "waiting"
        bars.append(Bar(it.kind, round(x, 2), round(max(end - x, 0.15), 2), lane * LANE_HEIGHT, ends, it.title))
    counts = [(kind, sum(it.kind == kind for it in pieces)) for kind in _ORDER]
    summary = ", ".join(f"{count} {kind}" for kind, count in counts if count)
    return Row(key[0], key[1], max(len(lanes), 1) * LANE_HEIGHT, bars, f"{key[1]}: {summary}")


def _percent(moment: datetime, now: datetime) -> float:
    return min(100.0, max(0.0, 100 - (now - moment) / SPAN * 100))


def _ticks() -> list[Tick]:
    steps = range(0, 31, 10)
    texts = [words.span(SPAN - timedelta(minutes=it)) if it < steps[-1] else "now" for it in steps]
    anchors = ["start", *["middle"] * (len(steps) - 2), "end"]
    return [
        Tick(round(it / steps[-1] * 100, 2), *rest)
        for it, rest in zip(steps, zip(anchors, texts, strict=True), strict=True)
    ]
