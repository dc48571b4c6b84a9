"""When a budget is used up, and when people are told of it."""

from collections.abc import Iterable

WARN_PERCENT = 80
FULL_PERCENT = 100

Measured = tuple[str, int, int]


def is_used_up(measures: Iterable[Measured]) -> bool:
    """Whether one measure (name, budget, spent) has nothing left."""
    return any(spent >= budget for _, budget, spent in measures)


def to_tell(measures: Iterable[Measured]) -> list[tuple[str, int]]:
    """Of which measures people are told, and the percentage that each has passed, the higher one only."""
    told: list[tuple[str, int]] = []
    for name, budget, spent in measures:
        for percent in (FULL_PERCENT, WARN_PERCENT):
            if spent * 100 >= budget * percent:
                told.append((name, percent))
                break
    return told


def in_words(measure: str, amount: int) -> str:
    """An amount as people read it."""
    return f"{amount / 1_000_000:.2f} USD" if measure == "micros" else f"{amount:,} {measure}"
