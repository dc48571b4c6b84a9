"""The program in which targets that are called instead of started run: one call, under a guard like any payload."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from workers.adapters.runner import SPEAKER
from workers.outcome import LONGEST_RESULT

_LONGEST_ERROR = 4_000


class Failure(Exception):
    """The call failed; a reason of None is left to the words of the error. Who was called may want a pause."""

    def __init__(self, reason: str | None, error: str, retry_after_s: int = 0) -> None:
        super().__init__(error)
        self.reason, self.retry_after_s = reason, retry_after_s


@dataclass(frozen=True)
class Done:
    """The call succeeded."""

    result: str | None = None
    turns: int = 0
    usage: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Order:
    """What to call: the target with its secrets, the prompt, and what every payload is told."""

    kind: str
    target: dict[str, Any]
    prompt: str
    variables: dict[str, str]
    networks: list[str]
    # Of an attempt that is to be cancelled instead of run.
    cancel: str | None = None
    run_left_s: float | None = None


class Voice:
    """Speaks to the worker, on a pipe that nothing else here writes to."""

    def __init__(self, file: int) -> None:
        self._file = file

    def say(self, event: dict[str, Any] | str) -> None:
        """An event in the generic form, our own or one that was heard."""
        self._tell("said", line=event)

    def ref(self, ref: str) -> None:
        """What can be cancelled elsewhere, should this process be lost."""
        self._tell("ref", ref=ref)

    def done(self, done: Done) -> None:
        # The last of it is kept. More of it, so that of a secret which the cut goes through no part is among that.
        result = None if done.result is None else done.result[-2 * LONGEST_RESULT :]
        self._tell("end", result=result, turns=done.turns, usage=done.usage)

    def failed(self, reason: str | None, error: str, retry_after_s: int = 0) -> None:
        self._tell("end", failed=True, reason=reason, error=error[-_LONGEST_ERROR:], retry_after_s=retry_after_s)

    def _tell(self, kind: str, **more: Any) -> None:
        said = json.dumps({SPEAKER: kind, **more}, default=str, ensure_ascii=False)
        line = said.encode(errors="replace") + b"\n"
        while line:
            line = line[os.write(self._file, line) :]


def main() -> None:
    """One order from standard input; its end is told, and then by the exit code."""
    voice = Voice(os.dup(1))
    os.dup2(2, 1)  # what others print is log, and cannot be taken for our words
    order = Order(**json.load(sys.stdin.buffer))
    try:
        call: Callable[[Order, Voice], Done] = import_module(f"workers.calls.{order.kind}").call
        voice.done(call(order, voice))
    except Failure as error:
        voice.failed(error.reason, str(error), error.retry_after_s)
        sys.exit(1)
    except MemoryError:
        voice.failed("oom", "There was no memory left for it.")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 whatever it was, it is told
        voice.failed(None, f"{type(error).__name__}: {error}")
        sys.exit(1)


def until_aborted(work: Awaitable[Done]) -> Done:
    """Runs this until it is done; a SIGTERM cancels it, and what it does then is its own."""

    async def run() -> Done:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise Failure("aborted", "The call was aborted.") from None
