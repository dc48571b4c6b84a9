"""Ctrl-C and SIGTERM as something to look at between two steps, and to be woken by."""

import contextlib
import os
import select
import signal
from collections.abc import Iterator


class Asked:
    """How often we were asked to stop. The second time is an exception: it must not wait for anything."""

    def __init__(self, wakes: int) -> None:
        self.to_stop = False
        self._wakes = wakes

    def stop(self, *_: object) -> None:
        if self.to_stop:
            raise KeyboardInterrupt
        self.to_stop = True

    def wait(self, seconds: float) -> None:
        """Returns early when a signal comes, or when a child ends."""
        if select.select([self._wakes], [], [], seconds)[0]:
            os.read(self._wakes, 4096)


@contextlib.contextmanager
def listening() -> Iterator[Asked]:
    wakes, rings = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    asked = Asked(wakes)
    handlers = {signal.SIGINT: asked.stop, signal.SIGTERM: asked.stop, signal.SIGHUP: asked.stop}
    # Its handler does nothing; having one is what makes the end of a child ring.
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    bell = signal.set_wakeup_fd(rings, warn_on_full_buffer=False)
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(bell)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(wakes)
        os.close(rings)
