"""How long due schedules are put off while people are talking (SCH-13)."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """One step of a delay, and the most that an occurrence is put off in all."""

    delay: timedelta = timedelta(seconds=30)
    most: timedelta = timedelta(seconds=900)


def put_off_until(due_at: datetime, now: datetime, patience: Patience) -> datetime | None:
    """Until when an occurrence, due at `due_at`, is put off once more; None when it has waited long enough.

    Never beyond the most that is allowed: its last step is as short as need be.
    """
    latest = due_at + patience.most
    if patience.delay <= timedelta() or now >= latest:
        return None
    return min(now + patience.delay, latest)
