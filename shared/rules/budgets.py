"""When a budget is used up, and when people are told of it."""

from collections.abc import Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget that leaves a claim nothing: its key, whose it is, and its figures in words where they may be told."""

    key: str
    whose: str
    figures: str = ""

    def __str__(self) -> str:
        return f"the budget of {self.whose} leaves nothing{f' ({self.figures})' if self.figures else ''}"


def nothing_left(key: str, workspace: str, measures: Iterable[tuple[str, int, int, int]]) -> Spent | None:
    """What is said of a budget over a firing of this workspace; None if each measure has something left.

    Measures are (name, budget, spent, held for what runs): a claim gets nothing of what is held.
    """
    figures = [
        used(name, spent, budget) + (f", {in_words(name, held)} held for what runs" if held else "")
        for name, budget, spent, held in measures
        if spent + held >= budget
    ]
    whose = {"fleet": "the fleet", "workspace": f"workspace {workspace}", "schedule": "its schedule"}
    return Spent(key, whose[key.partition(":")[0]], "; ".join(figures)) if figures else None


def used(measure: str, spent: int, budget: int) -> str:
    """What of a budget is spent, as people read it: '20 of 1,000 turns'."""
    one = f"{spent / 1_000_000:.2f}" if measure == "micros" else f"{spent:,}"
    return f"{one} of {in_words(measure, budget)}"


def in_words(measure: str, amount: int) -> str:
    """An amount as people read it."""
    return f"{amount / 1_000_000:.2f} USD" if measure == "micros" else f"{amount:,} {measure}"
