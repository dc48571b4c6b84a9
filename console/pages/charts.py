"""Draws figures of firings as columns, and recent firings in small: where each stands, in per cent and pixels."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

from shared.store.schedule_history import Measured

HEIGHT = 110
_STEP = 7
_SPARK_HEIGHT = 22
_KINDS = {"queued": "waiting"}


@dataclass(frozen=True)
class Column:
    """One firing's figure."""

    x: float
    width: float
    y: float
    height: float
    failed: bool
    title: str
    firing: UUID


@dataclass(frozen=True)
class Chart:
    """Figures of firings in a row, oldest left; `limit_y` is where their limit lies, if it is in sight."""

    columns: list[Column]
    top: str
    middle: str
    newest: str
    limit_y: float | None
    summary: str


def chart(
    rows: Sequence[Measured],
    figure: Callable[[Measured], int | None],
    told: Callable[[int], str],
    limit: int | None = None,
) -> Chart | None:
    """The figures of these firings as columns; None where there is none."""
    known = [(it, value) for it in rows if (value := figure(it)) is not None]
    if not known:
        return None
    values = [value for _, value in known]
    shown_limit = limit if limit is not None and limit <= 4 * max(values) else None
    top = max([*values, shown_limit or 0, 1])
    width = min(100 / len(known), 6)
    columns: list[Column] = []
    for nth, (it, value) in enumerate(known):
        height = max(round(value / top * HEIGHT, 1), 1.5)
        title = f"#{it.number}: {told(value)}, {it.status}"
        x = round(nth * width, 2)
        columns.append(
            Column(x, round(width * 0.8, 2), HEIGHT - height, height, it.status == "failed", title, it.firing_id)
        )
    middle = int(median(values))
    limit_y = None if shown_limit is None else round(HEIGHT - shown_limit / top * HEIGHT, 1)
    summary = f"{len(known)} firings, median {told(middle)}, at most {told(max(values))}"
    return Chart(columns, told(top), told(middle), told(values[-1]), limit_y, summary)


@dataclass(frozen=True)
class Spark:
    """Recent firings in small: for each outcome one path; the newest stands right."""

    width: int
    paths: list[tuple[str, str]]
    summary: str


def spark(recent: Sequence[Sequence[Any]]) -> Spark:
    """Of firings as [status, seconds], newest first."""
    longest = max([float(it[1]) for it in recent if it[1] is not None], default=0) or 1
    paths: dict[str, str] = {}
    for nth, (status, seconds) in enumerate(reversed([(str(it[0]), it[1]) for it in recent])):
        kind = _KINDS.get(status, status)
        high = round(float(seconds or 0) / longest * 15 + 4)
        x, y = nth * _STEP, _SPARK_HEIGHT - high
        paths[kind] = (
            paths.get(kind, "") + f"M{x} {y}h5v{high}h-5z" + (f"M{x} {y - 3}l5-2v2l-5 2z" * (kind == "failed"))
        )
    counts = Counter(str(it[0]) for it in recent)
    told = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    last = f", the last {recent[0][0]}" if len(counts) > 1 else ""
    return Spark(len(recent) * _STEP, list(paths.items()), f"last {len(recent)} firings: {told}{last}")
