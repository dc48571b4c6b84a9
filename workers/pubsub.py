"""A bound for the one read of a worker's main loop that redis-py never ends by itself."""

from typing import Any

from redis.client import PubSub

# A remote-control message is a few hundred bytes: what has begun to arrive is there at once, or never.
READ_WITHIN_S: float = 5.0

_parse: Any = PubSub.parse_response


def _parse_in_time(self: PubSub, block: bool = True, timeout: float = 0) -> Any:
    """As redis-py's own, but a message that has begun must be whole in time, else redis's TimeoutError.

    kombu calls it when its socket is readable, and redis-py then waits without any limit: half a message from
    a broken link stopped a worker for good (found by the chaos run), while its keeper went on renewing.
    """
    if block:
        return _parse(self, block=False, timeout=READ_WITHIN_S)
    return _parse(self, block=block, timeout=timeout)


def bound_reads() -> None:
    """From now on, in this process; kombu takes the error for a lost connection and makes a new one."""
    PubSub.parse_response = _parse_in_time
