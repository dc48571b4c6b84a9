"""The states of a firing, with the moves between them that are allowed."""

from enum import StrEnum


class State(StrEnum):
    """Where a firing stands; the values are those of `firings.status`."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})

# The check in the database holds the same list; a test compares the two.
MOVES: frozenset[tuple[State, State]] = frozenset(
    {
        (State.QUEUED, State.RUNNING),
        (State.QUEUED, State.CANCELLED),
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.COMPLETED),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
    }
)


def may_move(old: State | str, new: State | str) -> bool:
    """Whether a firing may go from one state to the other; staying is not a move. ValueError for no state."""
    return (State(old), State(new)) in MOVES
