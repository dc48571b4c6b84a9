"""Are people talking right now? Interactive streams, registered in Redis for a while at a time (SCH-13)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from shared import keys
from shared.clock import monotonic
from shared.events import trouble
from shared.lua import Script
from shared.redis_servers import client

_HOLD = Script("hold_stream")
_END = Script("end_stream")
_STREAMS = Script("streams")

# More people than that do not talk at once: what registers more is broken.
MOST_STREAMS = 10_000
# Pressure is a courtesy: nobody waits long to hear of it, and after a failure it is not asked for again at once.
_ANSWER_WITHIN_S = 0.5
_ASK_AGAIN_AFTER_S = 10.0


@dataclass(frozen=True)
class Stream:
    """An interactive stream: the workspace it is about (None: all of them), and how long it is good for."""

    id: str
    workspace_id: UUID | None
    left_ms: int


@dataclass(frozen=True)
class Streams:
    """How many streams are active, in all and by workspace (None: those about all of them)."""

    count: int = 0
    by_workspace: Mapping[UUID | None, int] = field(default_factory=dict)

    def press_on(self, workspace: UUID) -> bool:
        """Whether what is due in this workspace should be put off."""
        return bool(self.by_workspace and (self.by_workspace.get(None) or self.by_workspace.get(workspace)))


class Pressure:
    """The registered streams. It has no memory but Redis: after a flush they come back with their renewals."""

    def __init__(self, redis_url: str, namespace: str) -> None:
        self.redis = client(redis_url, socket_timeout=_ANSWER_WITHIN_S, socket_connect_timeout=_ANSWER_WITHIN_S)
        self._where = {
            "streams": keys.streams_key(namespace),
            "places": keys.stream_places_key(namespace),
            "now_ms": "",
        }
        self._not_before = float("-inf")

    def hold(self, stream: str, workspace: UUID | None, ttl_ms: int) -> bool:
        """Registers or renews a stream; False when there are too many. RedisError while Redis is away."""
        place = "" if workspace is None else str(workspace)
        told = _HOLD(self.redis, **self._where, stream=stream, workspace=place, ttl_ms=ttl_ms, most=MOST_STREAMS)
        return told[0] == b"OK"

    def end(self, stream: str) -> bool:
        """Forgets a stream; whether it was active. RedisError while Redis is away."""
        return bool(_END(self.redis, **self._where, stream=stream)[1])

    def listing(self, most: int = MOST_STREAMS) -> list[Stream]:
        """Active streams, those that end first first. RedisError while Redis is away."""
        return [_stream(it) for it in _STREAMS(self.redis, **self._where, most=most)[1]]

    def seen(self) -> Streams | None:
        """The active streams counted; None while Redis is away, which is said once, and puts nothing off."""
        if monotonic() < self._not_before:
            return None
        try:
            found = self.listing()
        except (RedisError, OSError) as error:
            trouble("pressure.unknown", error)
            self._not_before = monotonic() + _ASK_AGAIN_AFTER_S
            return None
        return Streams(len(found), Counter(it.workspace_id for it in found))

    def close(self) -> None:
        """Gives the connection back."""
        self.redis.close()


def _stream(told: list[Any]) -> Stream:
    stream, workspace, left_ms = told
    return Stream(stream.decode(), UUID(workspace.decode()) if workspace else None, left_ms)
