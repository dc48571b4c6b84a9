"""A small world for the gate's tests: few workspaces, lanes and firings, so that they meet often."""

from uuid import UUID

from shared.answers import Waiter

WORKSPACES = [UUID(int=n) for n in (1, 2, 3)]
LANES = [None, "a", "b"]
REQUESTS = [UUID(int=n) for n in (101, 102)]
WORKERS = ["w1", "w2"]
LIMITS = ["fleet", *(f"workspace:{it}" for it in WORKSPACES), "lane:a", "lane:b"]

START_LEASE_MS = 100
LEASE_MS = 200
# The moment before, the moment itself and the moment after each of the gate's clocks.
SPANS_MS = [1, 99, 100, 101, 199, 200, 201, 999, 1000, 1001, 10_000, 20_000, 20_001]


def waiter(number: int, workspace: int, lane: int, priority: int = 5, *, forced: bool = False) -> Waiter:
    """The n-th firing of the world: its number is its place among equals."""
    return Waiter(UUID(int=1000 + number), WORKSPACES[workspace], LANES[lane], number, priority, forced, f"t{number}")


# Workspace 0 has most of the firings, lane a most of the lanes'. Places collide (3 at priority 5 and 503 at 0),
# and the last two do not care for caps.
FIRINGS = [
    waiter(1, 0, 0),
    waiter(2, 0, 1),
    waiter(3, 0, 1),
    waiter(4, 0, 2, priority=0),
    waiter(5, 0, 0, priority=9),
    waiter(6, 1, 0),
    waiter(7, 1, 1),
    waiter(8, 1, 1, priority=1),
    waiter(9, 2, 1),
    waiter(10, 2, 2),
    waiter(503, 2, 1, priority=0),
    waiter(12, 0, 1, forced=True),
    waiter(13, 1, 0, forced=True),
]
