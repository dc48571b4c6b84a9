"""The talk with one payload: all of its pipes in one loop, so that none of them can block it or us."""

import errno
import os
import select
from collections.abc import Callable

from shared.clock import monotonic
from workers.guarded import Gone, Payload
from workers.targets.hiding import Hider
from workers.targets.output import Lines, Tail
from workers.targets.tally import BATCH_S, Tally

LONGEST_ERROR = 4_000
_CHUNK = 64 * 1024
_TICK_S = 0.5
# A payload that starts is not to wait for a processor that its worker keeps busy.
_FIRST_MOMENT_S = 0.01
# What may still be in the pipes when nobody is left to write: a pipe holds at most a megabyte.
_LAST_READS = 32


class Talk:
    """Gives a payload its input, and hears what it says until nothing of it is left."""

    def __init__(
        self, payload: Payload, stdin: bytes, tally: Tally, hide: Hider, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        self._payload, self.tally = payload, tally
        self._meanwhile: Callable[[], None] | None = meanwhile
        self._prompt = memoryview(stdin)
        self._lines = {payload.stdout: Lines(tally.out, hide), payload.stderr: Lines(tally.err, hide)}
        self._open = set(self._lines)
        self._poll = select.poll()
        self._tended = monotonic()
        self.tail = Tail(hide=hide)
        self.last_words = Tail(LONGEST_ERROR, hide)

    def until_gone(self) -> Gone:
        """How it ended."""
        self._poll.register(self._payload, select.POLLIN)
        for file in self._lines:
            self._poll.register(file, select.POLLIN)
        self._poll.register(self._payload.stdin, select.POLLOUT)
        self._write()  # most inputs fit into the pipe at once
        while (gone := self._payload.hear()) is None:
            self._once()
        self._read_the_rest()
        self.tally.end(self.tail.text()[-LONGEST_ERROR:])
        return gone

    def _once(self) -> None:
        told = self._poll.poll(self._wait_s() * 1000)
        if not told and self._meanwhile is not None:
            self._meanwhile()
            self._meanwhile = None
        for file, _ in told:
            if file == self._payload.stdin:
                self._write()
            elif file in self._open:
                self._read(file)
        now = monotonic()
        self.tally.flush_if_due(now)
        if now - self._tended >= _TICK_S:
            self._tended = now
            self._payload.tend()

    def _wait_s(self) -> float:
        if self._meanwhile is not None:
            return _FIRST_MOMENT_S
        return BATCH_S if self.tally.has_news else _TICK_S

    def _write(self) -> None:
        try:
            sent = os.write(self._payload.stdin, self._prompt[:_CHUNK]) if self._prompt else 0
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._prompt)  # it does not want to know more
        self._prompt = self._prompt[sent:]
        if not self._prompt:
            self._poll.unregister(self._payload.stdin)
            self._payload.end_of_input()

    def _read(self, file: int) -> bool:
        """Whether there may be more."""
        try:
            chunk = os.read(file, _CHUNK)
        except OSError as error:
            return error.errno == errno.EINTR
        lines = self._lines[file]
        if not chunk:
            self._open.discard(file)
            self._poll.unregister(file)
            lines.end()
            return False
        self.tail.add(chunk)
        if file == self._payload.stderr:
            self.last_words.add(chunk)
        lines.objects_only = self.tally.is_full
        lines.feed(chunk)
        return True

    def _read_the_rest(self) -> None:
        """Not until the end of file: a payload may have given its pipe to a stranger, who keeps it open."""
        for file in list(self._open):
            for _ in range(_LAST_READS):
                if not self._read(file):
                    break
            self._lines[file].end()
