"""How quick this machine is, moment by moment: what late means is measured against it.

`python -I -S pace.py FILE`: one line every fifth of a second, with CLOCK_BOOTTIME, how many times longer a little
work took than its own processor time (1 on an idle machine), and how long a line takes to the disk, in seconds.
"""

import os
import sys
import time

EVERY_S = 0.2
WORK_S = 0.003


def slowdown() -> float:
    began, until = time.monotonic(), time.thread_time() + WORK_S
    while time.thread_time() < until:
        pass
    return (time.monotonic() - began) / WORK_S


def to_disk(file: int) -> float:
    began = time.monotonic()
    os.pwrite(file, b".", 0)
    os.fdatasync(file)
    return time.monotonic() - began


def main(path: str) -> None:
    told = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    scratch = os.open(f"{path}.scratch", os.O_WRONLY | os.O_CREAT, 0o644)
    parent = os.getppid()
    while os.getppid() == parent:
        moment = time.clock_gettime(time.CLOCK_BOOTTIME)
        os.write(told, f"{moment} {slowdown()} {to_disk(scratch)}\n".encode())
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1])
