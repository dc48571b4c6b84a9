"""How our own runner speaks: what it relays of others, and what it knows itself."""

from typing import Any

from shared.rules.text import Json
from workers.adapters.events import Event, Failed, count, json_object, part, word
from workers.adapters.generic import event_in, event_of, usage_in

# The one key by which the runner's own words are known; what it relays lies inside them as text.
SPEAKER = "slotbeat"


def event_of_runner(line: bytes) -> Event | None:
    """`said`: a line of the called one's, in the generic form; `ref`: what can be cancelled there; `end`."""
    said = json_object(line)
    match word(said, SPEAKER):
        case "said":
            relayed = part(said, "line")
            return event_in(relayed) if isinstance(relayed, dict) else event_of(str(relayed).encode(errors="replace"))
        case "ref":
            ref = word(said, "ref")
            return Event("message", {"remote_ref": ref}, remote_ref=ref)
        case "end" if said is not None:
            return _end(said)
        case _:
            return None


def _end(said: dict[str, Any]) -> Event:
    result, turns, usage = said.get("result"), count(said.get("turns")), usage_in(said.get("usage"))
    if said.get("failed") is not True:
        text = None if result is None else str(result)
        return Event("message", {"type": "end"}, turns=turns, usage=usage, result=text)
    reason = word(said, "reason") or None
    told: dict[str, Json] = {"type": "error", "message": word(said, "error"), "reason": reason}
    after = count(said.get("retry_after_s"))
    if after:
        told["retry_after_s"] = after
    return Event(
        "error", told, turns=turns, usage=usage, error=word(said, "error"), failed=Failed(reason), retry_after_s=after
    )
