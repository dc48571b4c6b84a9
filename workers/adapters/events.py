"""What a payload says while it runs, told in our own words, whatever tool it is."""

import json
from dataclasses import dataclass, field
from typing import Any

from shared.rules.text import Json, clean, clean_json

_MOST = 2**53  # of tokens or micro-dollars in one event: what is above was not meant


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent, beyond what events before this one have told."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0

    def plus(self, more: "Usage") -> "Usage":
        """Both together."""
        return Usage(
            self.input_tokens + more.input_tokens,
            self.output_tokens + more.output_tokens,
            self.cost_micros + more.cost_micros,
        )

    def beyond(self, before: "Usage") -> "Usage":
        """These totals, less those told before; a total that went down tells nothing."""
        return Usage(
            max(0, self.input_tokens - before.input_tokens),
            max(0, self.output_tokens - before.output_tokens),
            max(0, self.cost_micros - before.cost_micros),
        )

    def at_least(self, other: "Usage") -> "Usage":
        """The larger of each."""
        return Usage(
            max(self.input_tokens, other.input_tokens),
            max(self.output_tokens, other.output_tokens),
            max(self.cost_micros, other.cost_micros),
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """That the run failed, although its exit code may not tell; a reason of None is left to its words."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a payload said; `kind` and `data` are those of `firing_events`."""

    kind: str
    data: dict[str, Json]
    turns: int = 0
    usage: Usage = field(default=Usage())
    result: str | None = None
    error: str | None = None
    reason: str | None = None
    failed: Failed | None = None
    # Of an error: the seconds that whoever was called wants to be left alone for.
    retry_after_s: int = 0
    remote_ref: str | None = None
    # Not worth a row of its own: counted, and gone.
    is_kept: bool = True


def log_line(line: bytes, stream: str, cut: bool = False) -> Event:
    """A line that is no event."""
    said: dict[str, Json] = {"text": clean(line), "stream": stream}
    return Event("log", said | {"cut": True} if cut else said)


def json_object(line: bytes) -> dict[str, Any] | None:
    """The line as a JSON object that Postgres can store."""
    if not (line.startswith(b"{") and line.rstrip().endswith(b"}")):
        return None
    try:
        said = json.loads(line.decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        return None
    cleaned = clean_json(said)
    return cleaned if isinstance(cleaned, dict) else None


def part(said: object, *names: str) -> Any:
    """What lies at this path of nested objects; None where there is none."""
    for name in names:
        said = said.get(name) if isinstance(said, dict) else None
    return said


def word(said: object, *names: str) -> str:
    """The text at this path; empty where there is none."""
    found = part(said, *names)
    return found if isinstance(found, str) else ""


def count(number: object) -> int:
    """A number of tokens and the like; 0 for what is none."""
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST:
        return number
    return 0


def micros(dollars: object) -> int:
    """A number of dollars in millionths, rounded up: a budget is not undercut by rounding."""
    if isinstance(dollars, int | float) and not isinstance(dollars, bool) and 0 <= dollars <= _MOST / 1e6:
        return -int(-(dollars * 1_000_000) // 1)
    return 0
