"""A backup whose disk is not there: it fails each time, until its schedule is paused."""

import sys
from pathlib import Path

from console.local.payloads.say import say, think


def main(target: Path) -> None:
    """Says what is wrong, on standard error, and exits with 1."""
    say("turn", text=f"looking for {target}")
    think()
    if not target.is_dir():
        sys.exit(f"backup: {target} is not mounted")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
