"""What a check says: all is well, or what is wrong and what to type."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of the report; remedies are commands to type, or say where to look."""

    check: str
    level: Level
    words: str
    remedy: tuple[str, ...] = ()


def ok(check: str, words: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", words)


def warn(check: str, words: str, *remedy: str) -> Finding:
    """It works, and should not stay so."""
    return Finding(check, "warn", words, remedy)


def fail(check: str, words: str, *remedy: str) -> Finding:
    """Something that was promised does not hold."""
    return Finding(check, "fail", words, remedy)
