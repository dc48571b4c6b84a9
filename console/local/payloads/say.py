"""How a demo payload talks: one JSON object a line, as any command may."""

import json
import time
from typing import Any


def say(kind: str, **data: Any) -> None:
    """One event; `turn` counts against the turn budget."""
    print(json.dumps({"type": kind, **data}), flush=True)


def result(text: str) -> None:
    """What the firing came to."""
    say("result", text=text, result=text)


def think(seconds: float = 0.6) -> None:
    """An agent waits for its model; so does this one."""
    time.sleep(seconds)
