"""Which cap may have been in force when: what the payloads' records are held against."""

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf

from shared.clock import boottime

# The clocks of rows and of payloads are compared: for rounding, and for the moment between now() and a commit.
TOLERANCE_S = 0.05


@dataclass
class _Span:
    since: float
    until: float
    cap: float


@dataclass
class Caps:
    """Every cap of every limit with its time; while a change is under way, both the old and the new."""

    _spans: dict[str, list[_Span]] = field(default_factory=lambda: defaultdict(list))

    def may_be(self, key: str, cap: int | None) -> None:
        self._spans[key].append(_Span(boottime(), inf, inf if cap is None else cap))

    def is_now(self, key: str, cap: int | None) -> None:
        """Whatever was tried before is over."""
        moment = boottime()
        for span in self._spans[key][:-1]:
            span.until = min(span.until, moment)

    def known(self) -> list[str]:
        return sorted(self._spans)

    def highest(self, key: str, since: float, until: float) -> float:
        """The highest cap that may have been in force between two moments; without one, infinite."""
        of_key = self._spans[key]
        if not of_key or since - TOLERANCE_S < of_key[0].since:
            return inf
        return max(it.cap for it in of_key if it.since - TOLERANCE_S <= until and it.until + TOLERANCE_S >= since)

    def last(self, key: str) -> float:
        return self._spans[key][-1].cap if self._spans[key] else inf
