"""A folder in memory: what a run of the tests writes costs there a fraction of what it costs on a disk."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 2 * 1024**3


@contextmanager
def folder_in_memory() -> Iterator[Path | None]:
    """It ends with the block; None where there is no room, or where programs may not be started from."""
    if not MEMORY.is_dir() or not _is_fit(MEMORY):
        yield None
        return
    ours = MEMORY / f"slotbeat-tests-{os.getuid()}"
    ours.mkdir(exist_ok=True)
    ours.chmod(0o711)
    with open(ours / "lock", "w") as one_at_a_time, ExitStack() as held:
        flock(one_at_a_time, LOCK_EX)
        for left in ours.glob("run-*"):
            # Of a run that was killed: nobody else would ever free that memory.
            if _is_unlocked(left / "lock"):
                shutil.rmtree(left, ignore_errors=True)
        made = Path(held.enter_context(TemporaryDirectory(prefix="run-", dir=ours, ignore_cleanup_errors=True)))
        # Postgres runs as another user, who must get through.
        made.chmod(0o711)
        flock(held.enter_context(open(made / "lock", "w")), LOCK_EX)
        flock(one_at_a_time, LOCK_UN)
        yield made


def _is_fit(place: Path) -> bool:
    return shutil.disk_usage(place).free >= NEEDED_BYTES and not os.statvfs(place).f_flag & os.ST_NOEXEC


def _is_unlocked(path: Path) -> bool:
    with suppress(BlockingIOError), open(path, "w") as file:
        flock(file, LOCK_EX | LOCK_NB)
        return True
    return False
