"""Stops a `slotbeat up` that runs elsewhere."""

import os
import signal
import sys
import time
from pathlib import Path

from console.local.state import lives, read

GONE_WITHIN_S = 15.0


def down(folder: Path) -> int:
    state = read(folder)
    if state is None:
        print(f"Nothing runs in {folder}.")
        return 0
    os.kill(state.pid, signal.SIGTERM)
    until = time.monotonic() + GONE_WITHIN_S
    while lives(state.pid):
        if time.monotonic() > until:
            print(
                f"pid {state.pid} still runs after {GONE_WITHIN_S:.0f} s: kill -9 {state.pid}",
                file=sys.stderr,
            )
            return 1
        time.sleep(0.05)
    print("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(down(Path(sys.argv[1])))
