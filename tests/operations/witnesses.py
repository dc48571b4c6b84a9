"""Payloads that say all the while that they execute, by the one boot clock of this machine."""

from dataclasses import dataclass
from pathlib import Path

from tests.process.conftest import Fleet

# One file an attempt, by its token.
_WITNESS = """
until test -e "$1"; do read up rest < /proc/uptime; echo "$up" >> "$0/$SLOTBEAT_TOKEN.ran"; sleep 0.1; done
"""


@dataclass(frozen=True)
class Witnesses:
    """What they wrote down: from when to when each was seen to execute. They end once `let_go` is there."""

    folder: Path

    @property
    def let_go(self) -> Path:
        return self.folder / "let go"

    def argv(self) -> list[str]:
        return ["sh", "-c", _WITNESS, str(self.folder), str(self.let_go)]

    def wait(self, fleet: Fleet, count: int) -> None:
        """So many schedules that are due at once."""
        self.folder.mkdir(exist_ok=True)
        workspace = fleet.workspace()
        for number in range(count):
            fleet.schedule(workspace, str(number), self.argv(), max_attempts=3)

    def tokens(self) -> set[int]:
        return {int(path.stem) for path in self.folder.glob("*.ran") if path.read_text()}

    def most_at_once(self, before: float = float("inf")) -> int:
        told = [[float(it) for it in path.read_text().split()] for path in self.folder.glob("*.ran")]
        steps = [(at, step) for it in told if it for at, step in ((it[0], 1), (it[-1], -1))]
        most = now = 0
        # Of two in one hundredth of a second, the end comes first.
        for at, step in sorted(steps):
            now += step
            most = max(most, now) if at < before else most
        return most


def boot_clock() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])
