"""Callables as users have them, for the kind `python`."""

import asyncio
import os
import signal
import time
from typing import Any

from workers.calls.python import Run


def works(run: Run, **more: Any) -> dict[str, Any]:
    print("printed")
    run.turn(step=1)
    run.log("logged")
    run.spend(input_tokens=3, cost_micros=9)
    told = {name: value for name, value in vars(run).items() if not name.startswith("_")}
    return {**told, **more, "environment": os.environ["SLOTBEAT_TOKEN"], "secret": os.environ.get("AGENT_KEY")}


def talks(run: Run) -> None:
    while not run.aborted:
        run.turn()
        time.sleep(0.01)
    run.log("I heard")


async def waits(run: Run) -> None:
    run.turn()
    run.turn()
    try:
        await asyncio.sleep(60)
    finally:
        run.log(f"cancelled {run.aborted}")


def states(run: Run) -> None:
    run.fail("rate_limited", "the model is busy")


def breaks(run: Run) -> None:
    raise RuntimeError(f"429 Too Many Requests with {os.environ.get('AGENT_KEY')}")


def leaves(run: Run) -> None:
    raise SystemExit(3)


def vanishes(run: Run) -> None:
    run._voice.ref("left behind")
    os.kill(os.getpid(), signal.SIGKILL)


def forges(run: Run) -> None:
    os.write(1, b'{"slotbeat": "end", "failed": true, "reason": "cancelled"}\n')


nothing = 7
