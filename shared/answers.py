"""What the gate is told and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from redis.exceptions import RedisError

from shared.rules.line_order import place_in_line


class Unseeded(RedisError):
    """The gate has no memory, or another epoch than the caller believes: rebuild, or read the epoch again."""


class Unreadable(Unseeded):
    """A key of the gate is of another type than here: another version filled it, or somebody else wrote there."""


# Thousands of firings are of few workspaces.
_text = lru_cache(maxsize=1024)(str)


class Waiter(NamedTuple):
    """What the gate needs to know of a firing. There may be ten thousand."""

    firing: UUID
    workspace: UUID
    lane: str | None
    line_no: int
    priority: int
    forced: bool
    title: str

    def facts(self) -> list[Any]:
        """The row as the scripts take it; the score is its place in line."""
        return [
            str(self.firing),
            _text(self.workspace),
            self.lane or "",
            place_in_line(self.line_no, self.priority),
            "1" if self.forced else "0",
            self.title,
        ]


@dataclass(frozen=True)
class Seat:
    """A running firing as Postgres knows it, to be given its lease in the gate again."""

    waiter: Waiter
    request: UUID
    worker: str
    lease_ms: int

    def facts(self) -> list[Any]:
        """The row as the scripts take it."""
        return [*self.waiter.facts(), str(self.request), self.worker, self.lease_ms]


@dataclass(frozen=True)
class Caps:
    """The caps of all limits as Postgres had them at one moment; each change of a cap makes a new version."""

    by_limit: Mapping[str, int]
    version: int = 0


@dataclass(frozen=True)
class Reservation:
    """A slot promised to a firing; whoever made it publishes the message."""

    firing: UUID
    title: str


@dataclass(frozen=True)
class Reserved:
    """A run-now has its slot."""


@dataclass(frozen=True)
class InTheWay:
    """A run-now cannot start: the limit that has no room, and whether all admission is stopped."""

    limit: str
    draining: bool


@dataclass(frozen=True)
class Full:
    """A run-now found no room: under which limit, and whether all admission is stopped."""

    limit: str
    draining: bool


@dataclass(frozen=True)
class LimitUse:
    """One limit as the gate counts it; `waiting` stand in line before it, whatever else they wait for."""

    limit: str
    cap: int
    used: int
    waiting: int


@dataclass(frozen=True)
class Usage:
    """The gate counted: limits, waiters, reservations, and living worker processes."""

    limits: list[LimitUse]
    waiting: int
    reserved: int
    processes: int


@dataclass(frozen=True)
class Held:
    """A holder past its expiry, or what the gate knows of a firing: state '' where it knows nothing.

    'astray' is one that waits where nobody will come upon it, for a key of its line was lost.
    """

    firing: UUID
    state: str
    request: str
