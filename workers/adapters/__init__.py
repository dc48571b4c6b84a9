"""How a line of a payload's standard output is understood: one module a tool's stream, all of one shape."""

from collections.abc import Callable

from workers.adapters import claude_code, codex, generic
from workers.adapters.events import Event

# What one line means; None if it is no event of that tool, and so a line of log.
Adapter = Callable[[bytes], Event | None]

# A new one for each run: some count what they have seen.
ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "generic": lambda: generic.event_of,
    "claude-code": claude_code.Stream,
    "codex": codex.Stream,
}
