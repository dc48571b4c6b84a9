"""Our programs started by fork from a process that has imported what they import: most of a start is that.

What is started is a program as any other, with a process, a session, an environment, files and a command line of its
own, and a child of whoever asked for it. Run as `python -m tests.nursery SOCKET ROOM`; ROOM is as long as the longest
command line. That our programs start without it as well is shown by those tests that start them in another way: the
stack of `slotbeat up`, the containers, hosts and releases of tests/operations.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Any

# Whatever they import, but for the modules that make an app: only those look at the environment while they are read.
PACKAGES = (
    *("celery.apps.beat", "celery.apps.worker", "celery.bin.beat", "celery.bin.celery", "celery.bin.worker"),
    *("celery.concurrency.prefork", "celery.fixups.django", "celery.worker.consumer", "kombu.transport.redis"),
    *("psycopg_pool", "croniter", "httpx", "uvicorn"),
)
OURS = (
    *("beat.scheduler", "workers.bootsteps", "workers.chain", "workers.monitors", "workers.pubsub", "workers.refused"),
    *("workers.alerts", "workers.retain", "workers.tally", "workers.wake"),
    *("console.api.application", "console.cli.inside", "console.cli.remote", "console.local.up"),
)
LONGEST = 200_000


def serve(line: socket.socket) -> dict[str, Any] | None:
    """Starts whatever is asked for, until nobody is there to ask: None. In what it started: the order."""
    for name in (*PACKAGES, *OURS):
        importlib.import_module(name)
    # What is here will stay: a collection in one of those to come would copy all of it, to look through it in vain.
    gc.collect()
    gc.freeze()
    while True:
        said, files, _, _ = socket.recv_fds(line, LONGEST, 1)
        if not said:
            return None
        if _is_born(line):
            line.close()
            order = json.loads(said)
            _become(order, files[0])
            return order
        os.close(files[0])


def _is_born(line: socket.socket) -> bool:
    """True in the new process. Whoever was between is gone by the time that its pid is told: it is an orphan."""
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        born = os.fork()
        if born == 0:
            os.close(told)
            os.close(tell)
            return True
        os.write(tell, str(born).encode())
        os._exit(0)
    os.close(tell)
    os.waitpid(between, 0)
    with open(told, "rb") as answer:
        line.sendall(answer.read())
    return False


def _become(order: dict[str, Any], log: int) -> None:
    """The surroundings of a process that was started as it is asked for."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, file in enumerate((nothing, log, log)):
        os.dup2(file, place)
    os.close(nothing)
    os.close(log)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[:1] = order["path"]
    sys.argv[:] = order["argv"]
    _show(order["argv"])


def _show(words: list[str]) -> None:
    """The command line that others see, over our own, which has room enough."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    line = b"".join(os.fsencode(word) + b"\0" for word in words)
    ctypes.memmove(start, line[: end - start - 1].ljust(end - start, b"\0"), end - start)


def run(order: dict[str, Any]) -> None:
    """`python -m MODULE ...`, or a script that a package has installed."""
    words = order["argv"]
    if words[1:2] == ["-m"]:
        sys.argv[:] = words[2:]
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        run(asked)
