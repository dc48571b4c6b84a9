"""Tells the gate of what the rows say already; while it is away, the reconciler will do it."""

from collections.abc import Callable

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.events import trouble

# kombu lets some of redis-py's errors through as they are.
AWAY = (RedisError, OperationalError, OSError)


def tell(deed: str, act: Callable[[], object]) -> bool:
    """Does it; False when the gate cannot be reached."""
    try:
        act()
    except AWAY as error:
        trouble("gate.not_told", error, deed=deed)
        return False
    return True
