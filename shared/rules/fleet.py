"""Which occurrences a pause of the whole fleet takes: those that come while it lasts (SCH-11)."""

from collections.abc import Sequence
from datetime import datetime


def part(
    fire: Sequence[datetime], paused_at: datetime | None, resumed_at: datetime | None
) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Occurrences that may fire, and those in the last pause; `paused_at` None: never, `resumed_at`: it lasts.

    Also after its end: where no beat was up, an occurrence that came meanwhile must not fire when one is.
    """
    if paused_at is None:
        return tuple(fire), ()
    held = tuple(it for it in fire if it >= paused_at and (resumed_at is None or it <= resumed_at))
    return tuple(it for it in fire if it not in held), held
