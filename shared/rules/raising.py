"""May the cap be raised? A verdict by three bars, each measured, each with its reason (OBS-6)."""

from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "no", "unknown"]

STREAM_P99_MS = 2000.0
KEEPER_LAG_P99_MS = 50.0
SLOT_WAIT_P95_MS = 60_000.0
# Fewer say nothing about a 99th of a hundred.
ENOUGH = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known; None where nothing was measured."""

    firings: int
    slot_wait_p95_ms: float | None
    keeper_lag_p99_ms: float | None
    stream_p99_ms: float | None
    streams: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is, what was measured, what it should stay under, and whether it does (None: unknown)."""

    name: str
    measured_ms: float | None
    most_ms: float
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Raising:
    """Whether there is room for a higher cap, and whether anybody needs one."""

    answer: Answer
    is_needed: bool
    words: str
    bars: tuple[Bar, ...]


def may_raise(seen: Measured) -> Raising:
    """The verdict. People and keepers that wait forbid a higher cap; firings that wait ask for one.

    A system of which no interactive stream has told anything is not judged by streams.
    """
    enough = seen.firings >= ENOUGH
    wait = _bar("slot wait p95", seen.slot_wait_p95_ms if enough else None, SLOT_WAIT_P95_MS)
    health = (
        _bar("keeper lag p99", seen.keeper_lag_p99_ms if enough else None, KEEPER_LAG_P99_MS),
        *([_bar("stream p99", seen.stream_p99_ms, STREAM_P99_MS)] if seen.streams else []),
    )
    needed = wait.kept is False
    told = ", ".join(f"{it.name} {_time(it.measured_ms)} (bar {_time(it.most_ms)})" for it in (wait, *health))
    if any(it.kept is False for it in health):
        return Raising("no", needed, f"the cap should not be raised: {told}", (wait, *health))
    if not enough or any(it.kept is None for it in (wait, *health)):
        few = f"{seen.firings} firings were measured in the last day, {ENOUGH} would say more"
        return Raising("unknown", needed, f"whether the cap may be raised is not known: {few}", (wait, *health))
    need = "it may be raised, for firings wait" if needed else "it may be raised, though nobody waits for long"
    return Raising("yes", needed, f"{need}: {told}", (wait, *health))


def _bar(name: str, measured: float | None, most: float) -> Bar:
    return Bar(name, measured, most, None if measured is None else measured < most)


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "unknown"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
