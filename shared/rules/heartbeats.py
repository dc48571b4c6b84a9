"""What a heartbeat's answer means, and how many turns its schedule may still spend today (SCH-14)."""

import json
from datetime import date, datetime
from zoneinfo import ZoneInfo

HEARTBEAT = "heartbeat"
_FENCE = "```"
# An answer is short; what is longer is a report, and nobody parses 64 KiB to find that it says nothing.
_LONGEST_ANSWER = 4096


def nothing_to_do(result: str | None) -> bool:
    """Whether a target answered `{"action": "none"}`: as its whole result, in a code block, or on its last line."""
    text = (result or "").strip()
    lines = [it for it in text.splitlines() if it.strip() and not it.strip().startswith(_FENCE)]
    return bool(lines) and any(_says_none(it) for it in ("\n".join(lines), lines[-1]))


def _says_none(text: str) -> bool:
    if len(text) > _LONGEST_ANSWER:
        return False
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("action") == "none"


def day_of(now: datetime, zone: ZoneInfo) -> date:
    """The day it is in a schedule's zone: its budget begins anew at midnight there."""
    return now.astimezone(zone).date()


def spent(turns_today: int, counted_on: date | None, today: date) -> int:
    """The turns of today: those counted on another day are none."""
    return turns_today if counted_on == today else 0


def is_spent(budget: int | None, turns_today: int) -> bool:
    """Whether no further heartbeat may start today."""
    return budget is not None and turns_today >= budget
