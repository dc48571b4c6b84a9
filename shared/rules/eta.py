"""When a slot will be free for whoever asks now, from what runs and who waits ahead."""

import heapq
import math
from collections.abc import Sequence

# Nobody knows better, and "try again at once" makes a hot loop of callers.
LEAST_S = 1


def slot_eta_s(cap: int, ends_in_s: Sequence[float], ahead_s: Sequence[float]) -> int:
    """Whole seconds, at least one, until a slot is left over.

    `ends_in_s`: when each running firing is expected to end; `ahead_s`: how long each one that waits is
    expected to run, in line order. Who runs beyond the cap frees nothing by ending.
    """
    if cap <= 0:
        return LEAST_S
    ends = sorted(max(0.0, it) for it in ends_in_s)
    free = ends[max(0, len(ends) - cap) :]
    free = [0.0] * (cap - len(free)) + free
    heapq.heapify(free)
    for lasts in ahead_s:
        heapq.heapreplace(free, free[0] + max(0.0, lasts))
    return max(LEAST_S, math.ceil(free[0]))
