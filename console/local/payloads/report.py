"""Asks Slotbeat's own database how the last day went."""

import json
import sys
from pathlib import Path

from console.local.payloads.say import result, say, think
from shared.store import firings
from shared.store.connection import connect


def main(state_file: Path) -> None:
    """Counts the newest firings by outcome; the address comes from the state file of `slotbeat up`."""
    with connect(json.loads(state_file.read_text())["database_url"], application="slotbeat demo report") as database:
        say("turn", text="reading the newest firings")
        found = firings.newest(database, firings.Filter(), 200)
    think(1.0)
    by_status: dict[str, int] = {}
    for firing in found:
        by_status[firing.status] = by_status.get(firing.status, 0) + 1
    say("turn", text="writing the report", firings=len(found))
    result(", ".join(f"{count} {status}" for status, count in sorted(by_status.items())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
