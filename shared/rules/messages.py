"""What a message in one of our queues must look like: whoever reaches the broker may write anything there."""

import base64
import binascii
import json
from typing import Any


def flaw(message: Any) -> str | None:
    """Why nobody should act on this message, already parsed from JSON; None: it has the shape of ours.

    Celery takes that shape for granted. What lacks it ends a worker, and half of the ways give the message back
    to the queue as the worker goes, for the next one.
    """
    match message:
        case {
            "body": str(body),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": dict(headers),
            "properties": {
                "body_encoding": "base64",
                "delivery_tag": str(),
                "delivery_info": {"exchange": str(), "routing_key": str()},
            },
        }:
            return _flaw_of_headers(headers) or _flaw_of_body(body)
        case _:
            return "not a Celery message in JSON"


def _flaw_of_headers(headers: dict[str, Any]) -> str | None:
    if not isinstance(headers.get("task"), str) or not isinstance(headers.get("id"), str):
        return "no task or no id"
    if headers.get("eta") is not None or headers.get("expires") is not None:
        return "waits for its time, which rows do here"
    if headers.get("timelimit") not in (None, [None, None]):
        return "a time limit of Celery's, which leaves payloads alive"
    return None


def _flaw_of_body(body: str) -> str | None:
    try:
        parsed = json.loads(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return "a body that is not JSON in base64"
    match parsed:
        case [list(), dict(), dict() | None as options]:
            calls = any((options or {}).get(it) for it in ("callbacks", "errbacks", "chain", "chord"))
            return "calls other tasks, which none of ours does" if calls else None
        case _:
            return "a body that is not arguments, keywords and options"
