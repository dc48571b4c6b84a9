"""A process that has imported all that is not ours, and forks for each set of tests, so that they start at once.

Run by its path, for it must know no module of the project: each fork takes those of its copy. Each line of its
input is a set to run; each line of its output the exit code of pytest, or null for one that took too long.
"""

import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

AHEAD = (
    "pytest _pytest.junitxml _pytest.logging _pytest.tmpdir _pytest.fixtures pytest_timeout xdist.plugin hypothesis "
    "hypothesis.stateful _hypothesis_pytestplugin psycopg psycopg_pool psycopg.types.json redis redis.cluster celery "
    "celery.app.amqp celery.app.task celery.worker kombu kombu.transport.redis billiard fastapi "
    "httpx pydantic click rich.console rich.table croniter jinja2 uuid_utils.compat starlette uvicorn"
)
LOOK_EVERY_S = 0.05


def main() -> None:
    here = str(Path(__file__).parent)
    sys.path[:] = [place for place in sys.path if place != here]
    for name in AHEAD.split():
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            run(asked)
        print(json.dumps(end_of(child, float(asked["too_long_s"]))), flush=True)
        if "--apart" in sys.argv:
            # Whatever is left among our own processes; this one and the first are spared by the kernel.
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)


def run(asked: dict[str, Any]) -> None:
    folder = asked["folder"]
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path.insert(0, folder)
    sys.argv = ["pytest", *asked["arguments"]]
    said = os.open(f"{folder}/said.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(theirs, ours)
    code = 70
    try:
        code = int(importlib.import_module("pytest").main(asked["arguments"]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def end_of(child: int, too_long_s: float) -> int | None:
    until = time.monotonic() + too_long_s
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_EVERY_S)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    main()
