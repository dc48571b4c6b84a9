"""When a slot will be free for whoever asks now, from what runs and who waits ahead."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from shared.rules.lasting import lasting

# Nobody knows better, and "try again at once" makes a hot loop of callers.
LEAST_S = 1
# A run lease says when a slot is free at the latest. Whoever waits so long for a run of seconds comes too late.
_LOOK_AGAIN_S = 60


@dataclass(frozen=True, slots=True, order=True)
class Guess:
    """How long something will take: as measured before, or else at the most, as its lease allows."""

    seconds: float
    measured: bool


def slot_eta(cap: int, ends: Sequence[Guess], ahead: Sequence[Guess]) -> Guess:
    """Whole seconds, at least one, until a slot is left over; measured if all that it rests on is.

    `ends`: when each running firing is expected to end; `ahead`: how long each one that waits is expected to
    run, in line order. Who runs beyond the cap frees nothing by ending.
    """
    if cap <= 0:
        return Guess(LEAST_S, measured=True)
    sorted_ends = sorted(Guess(max(0.0, it.seconds), it.measured) for it in ends)
    of_cap = sorted_ends[max(0, len(ends) - cap) :]
    free = [Guess(0.0, measured=True)] * (cap - len(of_cap)) + of_cap
    heapq.heapify(free)
    for lasts in ahead:
        first = free[0]
        heapq.heapreplace(free, Guess(first.seconds + max(0.0, lasts.seconds), first.measured and lasts.measured))
    return Guess(max(LEAST_S, math.ceil(free[0].seconds)), free[0].measured)


def look_again_s(eta: Guess) -> int:
    """When to ask again: then, or soon where only the latest is known."""
    return int(eta.seconds if eta.measured else min(eta.seconds, _LOOK_AGAIN_S))


def in_words(eta: Guess) -> str:
    """When a slot is free, as the second half of a sentence."""
    if eta.measured:
        return f"a slot is expected in about {lasting(eta.seconds)}"
    told = "nobody can say when a slot will be free, for not all that is ahead was measured yet"
    return f"{told}; at the latest in {lasting(eta.seconds)}"
