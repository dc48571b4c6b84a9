"""What a command says on its standard output, one JSON object a line, told in our own words."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.rules.reasons import Reason
from shared.rules.text import Json, clean, clean_json

_KINDS = frozenset({"turn", "log", "message", "tool", "error"})
# What a payload may say of its own failure. The others are ours to find: a payload that calls itself
# cancelled, or its worker lost, would not be believed.
_SAYABLE = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.AUTH_FAILED,
        Reason.BUDGET_EXCEEDED,
        Reason.WORKSPACE_UNAVAILABLE,
        Reason.TARGET_ERROR,
        Reason.TIMEOUT,
    }
)
_MOST = 2**53  # of tokens or micro-dollars in one event: what is above was not meant


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0


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


# What one line of a tool's output means; None if it is no event of that tool, and so a line of log.
Adapter = Callable[[bytes], Event | None]


def log_line(line: bytes, stream: str, cut: bool = False) -> Event:
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


def generic(line: bytes) -> Event | None:
    """Our own form: `type` is turn, log, message, tool, error or result; any may carry `usage`."""
    said = json_object(line)
    if said is None:
        return None
    kind, reason = _word(said, "type"), _word(said, "reason")
    return Event(
        kind=kind if kind in _KINDS else "message",
        data=said,
        turns=1 if kind == "turn" else 0,
        usage=_usage(said.get("usage")),
        result=_text_of(said, "result", "text") if kind == "result" else None,
        error=_text_of(said, "message", "error", "text") if kind == "error" else None,
        reason=reason if kind == "error" and reason in _SAYABLE else None,
    )


ADAPTERS: dict[str, Adapter] = {"generic": generic}


def _word(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _usage(said: object) -> Usage:
    if not isinstance(said, dict):
        return Usage()
    names = ("input_tokens", "output_tokens", "cost_micros")
    return Usage(*(_count(said.get(name)) for name in names))


def _count(number: object) -> int:
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST:
        return number
    return 0


def _text_of(said: dict[str, Any], *names: str) -> str:
    """The first of these fields that is there, as text; the whole object if none is."""
    value = next((said[name] for name in names if name in said), said)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
