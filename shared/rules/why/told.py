"""An answer to "why": a stable code, words, and the steps that led there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.rules.lasting import lasting


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: when, a stable code, words, and the facts in them."""

    at: datetime
    code: str
    words: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Why:
    """The answer in one code and one sentence; and the way there, in order of time."""

    code: str
    words: str
    steps: tuple[Step, ...]


def clock(moment: datetime) -> str:
    """A moment as it is written in words."""
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def span(length: timedelta) -> str:
    """A duration as it is written in words."""
    return lasting(length.total_seconds())


def names(found: Sequence[str]) -> str:
    """Names as one says them: A, B and C."""
    return " and ".join(filter(None, [", ".join(found[:-1]), found[-1]])) if found else ""
