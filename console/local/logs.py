"""The logs of the parts: bounded while they are written to, for a stack may run for a year."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

KEEP_BYTES = 5_000_000


def bound(folder: Path) -> None:
    """Of a log that has become too long the text goes beside it, over the one before; it is then written anew.

    Whoever has it open appends to it, and need not be told. Where the disk is full, the text is given up.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size > KEEP_BYTES:
            with suppress(OSError):
                shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
