"""The runner's part of the kind `python`: a callable of the user's own, by entry point or dotted path."""

import asyncio
import inspect
import json
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from types import FrameType
from typing import Any

from shared.rules.reasons import Reason
from workers.calls.runner import Done, Failure, Order, Voice, until_aborted

GROUP = "slotbeat.targets"


class Run:
    """What a callable is given: the prompt, who it is, and a way to say what it does."""

    def __init__(self, order: Order, voice: Voice) -> None:
        self._voice = voice
        told = order.variables
        self.prompt = order.prompt
        self.installation = told["SLOTBEAT_INSTALLATION"]
        self.firing_id = told["SLOTBEAT_FIRING_ID"]
        self.attempt = int(told["SLOTBEAT_ATTEMPT"])
        self.token = int(told["SLOTBEAT_TOKEN"])
        self.schedule = told["SLOTBEAT_SCHEDULE"]
        self.workspace = told["SLOTBEAT_WORKSPACE"]
        self.nominal_at = told["SLOTBEAT_NOMINAL_AT"]
        self.max_turns = int(told["SLOTBEAT_MAX_TURNS"]) if told["SLOTBEAT_MAX_TURNS"] else None
        self.aborted = False

    def turn(self, **data: Any) -> None:
        """One turn was taken. Whoever takes more than `max_turns` is ended."""
        self._voice.say({**data, "type": "turn"})

    def log(self, text: str) -> None:
        """A line for people to read; what is printed comes there too."""
        self._voice.say({"type": "log", "text": str(text)})

    def spend(self, *, input_tokens: int = 0, output_tokens: int = 0, cost_micros: int = 0) -> None:
        """What was used since it was last told."""
        usage = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cost_micros": cost_micros}
        self._voice.say({"type": "message", "usage": usage})

    def fail(self, reason: str, error: str) -> None:
        """Ends it as failed for one of the reasons; does not return."""
        raise Failure(Reason(reason), error)


def call(order: Order, voice: Voice) -> Done:
    """Calls it."""
    run = Run(order, voice)
    folder = order.target.get("cwd")
    if folder is not None:
        sys.path.insert(0, folder)
    function = _found(order.target["callable"])
    arguments = order.target.get("kwargs") or {}
    try:
        if inspect.iscoroutinefunction(function):
            return until_aborted(_awaited(function, run, arguments))

        def on_abort(_number: int, _frame: FrameType | None) -> None:
            run.aborted = True

        signal.signal(signal.SIGTERM, on_abort)
        return _done(function(run, **arguments))
    except TimeoutError as error:
        raise Failure(Reason.TIMEOUT, f"{type(error).__name__}: {error}") from error
    except SystemExit as error:
        if not error.code:
            return Done()
        raise Failure(Reason.EXIT_NONZERO, f"It left with {error.code!r}.") from error


async def _awaited(function: Callable[..., Any], run: Run, arguments: dict[str, Any]) -> Done:
    try:
        return _done(await function(run, **arguments))
    except asyncio.CancelledError:
        run.aborted = True
        raise


def _done(result: Any) -> Done:
    if result is None or isinstance(result, str):
        return Done(result)
    return Done(json.dumps(result, ensure_ascii=False, default=str))


def _found(name: str) -> Callable[..., Any]:
    """`module:function`, `module.function`, or the name of an entry point of the group."""
    if not any(it in name for it in ":."):
        for it in entry_points(group=GROUP, name=name):
            return it.load()
        raise Failure(Reason.BAD_TARGET, f"No package here has the entry point {name} in the group {GROUP}.")
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    try:
        found = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise Failure(Reason.BAD_TARGET, f"{name} cannot be imported here: {error}.") from error
    if not callable(found):
        raise Failure(Reason.BAD_TARGET, f"{name} is nothing that can be called.")
    return found
