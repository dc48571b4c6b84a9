"""The program that stands for a payload: it notes when it began and when it is done, and sleeps between."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

# Its shell starts in a millisecond, knows the time without a process of its own, and sleeps by reading from
# a pipe that nobody writes to.
_NOTE = 'b=$EPOCHREALTIME; read -t "$1" <>"$2"; echo "$b $EPOCHREALTIME" >>"$3"'


@dataclass(frozen=True)
class Payload:
    """A program, and the file in which each run leaves one line: when it began and ended, in seconds."""

    argv: list[str]
    notes: Path

    def spans(self) -> list[tuple[float, float]]:
        """What has run so far."""
        if not self.notes.exists():
            return []
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        return [(float(line[0]), float(line[1])) for line in lines if len(line) == 2]


def payload(folder: Path, name: str, seconds: float) -> Payload:
    """A payload that lasts so long."""
    bash = shutil.which("bash")
    if bash is None:
        raise SystemExit("bash was not found: this benchmark's payload is a line of it. Install bash.")
    silent, notes = folder / "silent", folder / f"{name}.notes"
    if not silent.exists():
        os.mkfifo(silent)
    return Payload([bash, "--norc", "-c", _NOTE, "payload", f"{seconds:g}", str(silent), str(notes)], notes)


def gaps_ms(spans: Sequence[tuple[float, float]], cap: int) -> list[float]:
    """From each end to the start that it made possible: with n slots, the n-th start after is the first that waited."""
    starts = sorted(begun for begun, _ in spans)
    ends = sorted(done for _, done in spans)
    return [(start - end) * 1000 for start, end in zip(starts[cap:], ends, strict=False)]


def makespan_s(spans: Sequence[tuple[float, float]]) -> float:
    """From the first start to the last end."""
    return max(done for _, done in spans) - min(begun for begun, _ in spans)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent stay under."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
