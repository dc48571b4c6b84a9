"""Codex's stream: what `codex exec --json` writes."""

from typing import Any

from workers.adapters.events import Event, Failed, Usage, count, json_object, part, word

# What the agent does or says, each a turn. (A turn in Codex's own words is all that follows one prompt.)
_TOOLS = frozenset({"command_execution", "file_change", "mcp_tool_call", "collab_tool_call", "web_search"})
_MESSAGES = frozenset({"agent_message", "assistant_message"})


class Stream:
    """An item is a turn when it is first told of: a command while it still runs, a message when it is there.

    Usage comes with the end of what followed a prompt, as totals of the thread so far. Of money nothing is told.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._told = Usage()

    def __call__(self, line: bytes) -> Event | None:
        said = json_object(line)
        if said is None:
            return None
        match word(said, "type"):
            case "item.started" | "item.updated" | "item.completed":
                return self._item(said)
            case "turn.completed":
                return Event("message", said, usage=self._spent(said))
            case "turn.failed":
                # No reason is stated: that is for its words.
                told = word(said, "error", "message") or "The turn failed."
                return Event("error", said, usage=self._spent(said), error=told, failed=Failed(None))
            case "error":
                # Also of what is tried again ("Reconnecting... 1/5"): by itself it is no end.
                return Event("error", said, error=word(said, "message"))
            case _:
                return Event("message", said)

    def _item(self, said: dict[str, Any]) -> Event:
        item = said.get("item")
        kind, number = word(item, "type") or word(item, "item_type"), word(item, "id")
        is_turn = kind in _TOOLS or kind in _MESSAGES
        is_new = is_turn and (number not in self._seen or not number)
        self._seen.add(number)
        return Event(
            "turn" if is_new else "tool" if kind in _TOOLS else "message",
            said,
            turns=1 if is_new else 0,
            result=word(item, "text") if kind in _MESSAGES else None,
        )

    def _spent(self, said: dict[str, Any]) -> Usage:
        # Cached tokens are among those of the input, reasoning among those of the output.
        total = Usage(count(part(said, "usage", "input_tokens")), count(part(said, "usage", "output_tokens")))
        beyond = total.beyond(self._told)
        self._told = self._told.plus(beyond)
        return beyond
