"""How much later than its occurrences a schedule runs, so that many do not start in one second (SCH-9)."""

from datetime import timedelta
from hashlib import blake2b
from uuid import UUID


def jitter(schedule_id: UUID | str, jitter_s: int) -> timedelta:
    """A delay with 0 <= it < `jitter_s` seconds, in whole milliseconds; the same for one id at all times."""
    if jitter_s <= 0:
        return timedelta()
    # Not hash(): that of a string is another one in each process.
    digest = blake2b(str(schedule_id).encode(), digest_size=8).digest()
    return timedelta(milliseconds=int.from_bytes(digest) * jitter_s * 1000 >> 64)
