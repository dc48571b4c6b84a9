"""A payload's output in bounded memory: its lines as they come, and the last of its text."""

from collections.abc import Callable, Iterable

from shared.rules.text import clean
from workers.targets.hiding import Hider

LONGEST_LINE = 64 * 1024
# An agent's events carry whole files: a turn must not go uncounted because its line is long.
LONGEST_OBJECT = 1024 * 1024
KEPT = 1024 * 1024

OnLine = Callable[[bytes, bool], None]


class Lines:
    """Cuts a stream into lines, and calls `on_line(line, cut)` for each, without what is hidden."""

    def __init__(self, on_line: OnLine, hide: Hider | None = None) -> None:
        self._on_line = on_line
        self._hide = hide or Hider()
        self._rest = b""
        self._skipping = False
        # Set when nobody wants lines of log any more: only those that may be JSON objects are looked at,
        # at the speed of a search instead of that of a loop.
        self.objects_only = False

    def feed(self, chunk: bytes) -> None:
        if self._skipping:
            _, newline, chunk = chunk.partition(b"\n")
            self._skipping = not newline
        whole, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
        if newline:
            for line in _objects(whole) if self.objects_only else whole.split(b"\n"):
                self._give(line.removesuffix(b"\r"))
        if len(self._rest) > _longest(self._rest):
            self._give(self._rest)
            self._rest, self._skipping = b"", True

    def end(self) -> None:
        """The last line may lack its newline."""
        if self._rest:
            self._give(self._rest)
        self._rest = b""

    def _give(self, line: bytes) -> None:
        if self.objects_only and not line.startswith(b"{"):
            return
        if len(line) > _longest(line):
            # Of a secret that the cut goes through, or the end of what was read, no part may stay.
            hidden = self._hide(line)
            self._on_line(hidden[: max(0, min(LONGEST_LINE, len(hidden)) - self._hide.longest)], True)
        else:
            self._on_line(self._hide(line), False)


def _longest(line: bytes) -> int:
    return LONGEST_OBJECT if line.startswith(b"{") else LONGEST_LINE


def _objects(whole: bytes) -> Iterable[bytes]:
    before = -1 if whole.startswith(b"{") else whole.find(b"\n{")
    while before >= 0 or whole.startswith(b"{"):
        end = whole.find(b"\n", before + 1)
        if end < 0:
            yield whole[before + 1 :]
            return
        yield whole[before + 1 : end]
        before = whole.find(b"\n{", end)
        if before < 0:
            return


class Tail:
    """The last of what was written, and how much came before it."""

    def __init__(self, limit: int = KEPT, hide: Hider | None = None) -> None:
        self._limit = limit
        self._hide = hide or Hider()
        self._kept = bytearray()
        self.dropped = 0

    def add(self, chunk: bytes) -> None:
        self._kept += chunk
        # Not at every chunk: moving a megabyte for each 64 KiB would cost more than reading it.
        if len(self._kept) > 2 * self._limit:
            self._drop_to_limit()

    def _drop_to_limit(self) -> None:
        surplus = len(self._kept) - self._limit
        if surplus > 0:
            del self._kept[:surplus]
            self.dropped += surplus

    def text(self) -> str:
        """What is kept, as text that can be stored; it never begins inside a character, or inside a secret."""
        kept = bytearray(self._hide(bytes(self._kept)))
        if self.dropped:
            del kept[: self._hide.longest]
        surplus = max(0, len(kept) - self._limit)
        self.dropped += surplus
        del kept[:surplus]
        if self.dropped:
            while kept and kept[0] & 0xC0 == 0x80:
                del kept[0]
                self.dropped += 1
        self._kept = kept
        stored = clean(bytes(kept)).encode()
        # Each invalid byte has become three.
        return stored[-self._limit :].decode("utf-8", errors="ignore")
