"""How many firings this worker takes at once: a message is fetched only while a process is free for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from celery.worker import state
from kombu.utils.scheduling import round_robin_cycle

from shared.celery_app import EXECUTE, FIRINGS


@dataclass
class Room:
    """What the worker's main process knows of its room for firings."""

    capacity: Callable[[], int]
    may_claim: Callable[[], bool]

    def is_free(self) -> bool:
        """Whether one more firing may be fetched now."""
        running = sum(1 for request in list(state.reserved_requests) if request.type == EXECUTE)
        return self.may_claim() and running < self.capacity()


_room: Room | None = None


def use(room: Room | None) -> None:
    """Sets what decides; None: nobody (a process that is no worker)."""
    global _room  # noqa: PLW0603 kombu makes the cycle itself, from its name, and passes nothing in
    _room = room


class RoomCycle(round_robin_cycle):
    """Kombu's order of queues, less `firings` while there is no room for one.

    A worker that fetched ahead would sit on a firing that another one could start, or, serving both queues,
    starve maintenance behind firings of twenty minutes.
    """

    def consume(self, n: int) -> Iterable[Any]:
        """The queues to ask next, at most n."""
        queues = super().consume(n)
        if _room is None or _room.is_free():
            return queues
        return [queue for queue in queues if queue != FIRINGS]
