"""What takes long in a worker process, beside its tasks: no sweep waits for it, and it ends with the process."""

import threading
from collections.abc import Callable

from shared.events import trouble

# Of one process. What finds no place stays wanted in its row, and is hinted at again.
MOST = 4
_END_WITHIN_S = 8.0

_threads: set[threading.Thread] = set()
_ending = threading.Event()


def is_ending() -> bool:
    """Whether the process is about to end, and so must whatever runs here."""
    return _ending.is_set()


def room() -> int:
    """How many more may begin."""
    for thread in [it for it in _threads if not it.is_alive()]:
        _threads.discard(thread)
    return 0 if _ending.is_set() else MOST - len(_threads)


def begin(name: str, deed: Callable[[], object]) -> bool:
    """Does it in a thread of its own; False when too many are at work."""
    if room() <= 0:
        return False

    def contained() -> None:
        try:
            deed()
        except Exception as error:  # noqa: BLE001 nobody is above to hear of it
            trouble("aside.failed", error, deed=name)

    thread = threading.Thread(target=contained, name=f"slotbeat {name}", daemon=True)
    _threads.add(thread)
    thread.start()
    return True


def end() -> None:
    """Tells all to end, and waits for them a while."""
    _ending.set()
    for thread in list(_threads):
        thread.join(_END_WITHIN_S)
    _threads.clear()
    _ending.clear()
