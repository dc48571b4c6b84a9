"""Members by score and then by name, as a sorted set of Redis has them."""

from collections.abc import Iterator
from heapq import heappop, heappush


class Ranked:
    """The least member costs a logarithm; what was removed or moved is passed over when it comes up."""

    __slots__ = ("_heap", "_scores")

    def __init__(self) -> None:
        self._scores: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def add(self, member: str, score: int) -> None:
        """Adds a member, or moves it to another score."""
        if self._scores.get(member) != score:
            self._scores[member] = score
            heappush(self._heap, (score, member))

    def discard(self, member: str) -> None:
        """Removes a member, if it is there."""
        self._scores.pop(member, None)

    def first(self) -> tuple[int, str] | None:
        """The least score with its member, or None."""
        while self._heap and self._scores.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0] if self._heap else None

    def pop(self) -> str | None:
        """Removes the least member; None where there is none."""
        found = self.first()
        if found is None:
            return None
        del self._scores[found[1]]
        return found[1]

    def __contains__(self, member: str) -> bool:
        return member in self._scores

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._scores, key=lambda it: (self._scores[it], it)))

    def __len__(self) -> int:
        return len(self._scores)
