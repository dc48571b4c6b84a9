"""What the page after a button says, and where a button leads back to."""

import re
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import Request

from console.callers import calling
from shared.store import overview

_SAID = {
    "started": "{} was given a slot and starts.",
    "queued": "{} waits in line.",
    "forced": "{} starts beyond the cap; this was logged.",
    "cancelled": "{} was cancelled.",
    "aborting": "{} is being stopped.",
    "ended": "{} had ended already; nothing was changed.",
    "paused": "{} is paused.",
    "resumed": "{} is active again, from now on.",
    "skipping": "{} skips its next occurrence, and runs at the one after it.",
    "kept": "{} runs at its next occurrence after all.",
    "created": "{} was created.",
    "saved": "{} was saved.",
    "unchanged": "{} is as it was: nothing was changed.",
    "removed": "{} was removed.",
    "moved": "{} runs at other times from now on.",
    "restarting": "{} is asked to restart.",
}
_SAID_OF_NOTHING = {
    "fleet_paused": "The fleet is paused: nothing starts.",
    "fleet_resumed": "The fleet goes on, from now.",
    "setting_saved": "The setting was saved; every process goes by it within seconds.",
    "limit_saved": "The cap was set.",
    "limit_removed": "The limit was removed.",
    "budget_saved": "The budget was set.",
    "budget_removed": "The budget was removed.",
    "class_released": "What the outage held goes on.",
    "gone": "It was removed.",
}
# An address of ours: a path with a query, no host and nothing that could become one.
_OURS = re.compile(r"/(?![/\\])[\w\-./]*(\?[\w\-.%+=&*:,~]*)?(#[\w\-]+)?")


def said(request: Request) -> str:
    """What a button did, in words of ours about a row that exists: an address can make it say nothing else."""
    code, of = request.query_params.get("said", ""), request.query_params.get("of", "")
    if code in _SAID_OF_NOTHING:
        return _SAID_OF_NOTHING[code]
    try:
        known = _name(request, UUID(of)) if code in _SAID else None
    except ValueError:
        return ""
    return "" if known is None else _SAID[code].format(f"“{known}”")


def _name(request: Request, of: UUID) -> str | None:
    return overview.name_of(request.app.state.database.connection(), of, calling().workspace)


def address_of(request: Request) -> str:
    """Where this page is, without what it said."""
    kept = [(key, value) for key, value in parse_qsl(request.url.query) if key not in ("said", "of")]
    found = request.url.path + ("?" + urlencode(kept) if kept else "")
    return found if _OURS.fullmatch(found) else "/"


def led_back(to: str, said: str, of: UUID | None = None) -> str:
    """The address of ours that a form names, with what is to be said there; the first page for any other."""
    path, _, anchor = (to if _OURS.fullmatch(to) else "/").partition("#")
    if not said:
        return path
    told = {"said": said, **({"of": str(of)} if of else {})}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(told)}" + (f"#{anchor}" if anchor else "")
