"""Our own form of events, for payloads that speak it: one JSON object a line."""

import json
from typing import Any

from shared.rules.reasons import Reason
from workers.adapters.events import Event, Usage, count, json_object, word

_KINDS = frozenset({"turn", "log", "message", "tool", "error"})
# What a payload may say of its own failure. The others are ours to find: a payload that calls itself
# cancelled, or its worker lost, would not be believed.
SAYABLE = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.AUTH_FAILED,
        Reason.BUDGET_EXCEEDED,
        Reason.WORKSPACE_UNAVAILABLE,
        Reason.TARGET_ERROR,
        Reason.TIMEOUT,
    }
)


def event_of(line: bytes) -> Event | None:
    """`type` is turn, log, message, tool, error or result; any may carry `usage`."""
    said = json_object(line)
    return None if said is None else event_in(said)


def event_in(said: dict[str, Any]) -> Event:
    """The same, of an object that has been read."""
    kind, reason = word(said, "type"), word(said, "reason")
    return Event(
        kind=kind if kind in _KINDS else "message",
        data=said,
        turns=1 if kind == "turn" else 0,
        usage=usage_in(said.get("usage")),
        result=_text_of(said, "result", "text") if kind == "result" else None,
        error=_text_of(said, "message", "error", "text") if kind == "error" else None,
        reason=reason if kind == "error" and reason in SAYABLE else None,
        retry_after_s=count(said.get("retry_after_s")) if kind == "error" else 0,
    )


def usage_in(said: object) -> Usage:
    """Our form of usage."""
    if not isinstance(said, dict):
        return Usage()
    names = ("input_tokens", "output_tokens", "cost_micros")
    return Usage(*(count(said.get(name)) for name in names))


def _text_of(said: dict[str, Any], *names: str) -> str:
    """The first of these fields that is there, as text; the whole object if none is."""
    value = next((said[name] for name in names if name in said), said)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
