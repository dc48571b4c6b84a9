"""What a running `slotbeat up` tells other processes: that it is there, and where its parts are."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from console.local.passwords import write_private
from console.local.ports import LOOPBACK

FLOWER_USER = "slotbeat"
# A moment for one that is just ending.
CLAIM_WITHIN_S = 0.5


@dataclass(frozen=True, slots=True)
class State:
    pid: int
    api_port: int
    flower_port: int
    flower_password: str
    database_url: str
    redis_url: str
    ready: bool = False
    flower_user: str = FLOWER_USER

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def flower_url(self) -> str:
        return f"http://{LOOPBACK}:{self.flower_port}"


def claim(folder: Path) -> int | None:
    """The lock of this folder, held until we end; None when another `up` has it."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + CLAIM_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(descriptor)
                return None
            time.sleep(0.02)
        else:
            # What the last one left behind when it was killed.
            forget(folder)
            return descriptor


def publish(folder: Path, state: State) -> None:
    shown = {**asdict(state), "api_url": state.api_url, "flower_url": state.flower_url}
    write_private(folder / "state.json", json.dumps(shown, indent=2) + "\n")


def publish_ready(folder: Path, state: State, ready: bool) -> State:
    """Writes the file when `ready` is news."""
    if state.ready != ready:
        state = replace(state, ready=ready)
        publish(folder, state)
    return state


def forget(folder: Path) -> None:
    (folder / "state.json").unlink(missing_ok=True)


def read(folder: Path) -> State | None:
    """The state of the `up` that runs there now."""
    try:
        shown = json.loads((folder / "state.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    state = State(**{name: value for name, value in shown.items() if name in State.__dataclass_fields__})
    return state if lives(state.pid) else None


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
