"""Claude Code's stream: what `claude -p --output-format stream-json --verbose` writes."""

from typing import Any

from shared.clock import now
from shared.rules.reasons import Reason
from workers.adapters.events import Event, Failed, Usage, count, json_object, micros, part, word

# Of the last message when the loop ended with an error, and of the message that an API error became.
_OF_SUBTYPE = {
    "error_max_turns": Reason.TURN_LIMIT_EXCEEDED,
    "error_max_budget_usd": Reason.BUDGET_EXCEEDED,
}
_OF_ERROR = {
    "authentication_failed": Reason.AUTH_FAILED,
    "oauth_org_not_allowed": Reason.AUTH_FAILED,
    "billing_error": Reason.BUDGET_EXCEEDED,
    "rate_limit": Reason.RATE_LIMITED,
    "overloaded": Reason.RATE_LIMITED,
    "server_error": Reason.TARGET_ERROR,
    "model_not_found": Reason.BAD_TARGET,
}
_OF_STATUS = {
    401: Reason.AUTH_FAILED,
    402: Reason.BUDGET_EXCEEDED,
    403: Reason.AUTH_FAILED,
    404: Reason.BAD_TARGET,
    429: Reason.RATE_LIMITED,
    529: Reason.RATE_LIMITED,
}
# Pieces of messages that come whole afterwards.
_PIECES = frozenset({"stream_event", "partial_assistant"})


class Stream:
    """One response of the model is one turn, whoever asked for it, a subagent too.

    Its blocks come as several lines of one message id, each with the usage of the whole: counted once. What a
    response writes is often told too low until the last line, whose totals stand.
    """

    def __init__(self) -> None:
        self._responses: dict[str, Usage] = {}
        self._told = Usage()
        self._why: str | None = None
        self._full_until = 0

    def __call__(self, line: bytes) -> Event | None:
        said = json_object(line)
        if said is None:
            return None
        kind = word(said, "type")
        if kind == "assistant":
            return self._response(said)
        if kind == "result":
            return self._end(said)
        if kind == "rate_limit_event":
            self._full_until = _full_until(part(said, "rate_limit_info"))
        if kind == "user" and _has_block(said, "tool_result"):
            return Event("tool", said)
        return Event("message", said, is_kept=kind not in _PIECES)

    def _response(self, said: dict[str, Any]) -> Event:
        error = word(said, "error")
        if error:
            # What the API answered, told as a message: no response of the model, and the end is to follow.
            self._why = _OF_ERROR.get(error)
            return Event("error", said, error=_text(said) or error, reason=self._why)
        response = word(said, "message", "id")
        is_new = response not in self._responses or not response
        before, now = self._responses.get(response, Usage()), _usage(part(said, "message", "usage"))
        self._responses[response] = now.at_least(before)
        spent = now.beyond(before)
        self._told = self._told.plus(spent)
        kind = "turn" if is_new else "tool" if _has_block(said, "tool_use") else "message"
        return Event(kind, said, turns=1 if is_new else 0, usage=spent)

    def _end(self, said: dict[str, Any]) -> Event:
        spent = _total(said).beyond(self._told)
        self._told = self._told.plus(spent)
        text = word(said, "result")
        if said.get("is_error") is not True and not word(said, "subtype").startswith("error"):
            return Event("message", said, usage=spent, result=text)
        status = count(said.get("api_error_status"))
        reason = _OF_SUBTYPE.get(word(said, "subtype")) or _OF_STATUS.get(status) or self._why
        if reason is None and status >= 500:
            reason = Reason.TARGET_ERROR
        error = text or _errors(said) or word(said, "subtype")
        pause_s = max(0, self._full_until - int(now().timestamp()))
        return Event(
            "error", said, usage=spent, error=error, reason=reason, failed=Failed(reason), retry_after_s=pause_s
        )


def _full_until(window: Any) -> int:
    """Of a window of use in which there is no room left: when the next one begins, in seconds since 1970."""
    return count(part(window, "resetsAt")) if word(window, "status") == "rejected" else 0


def _usage(said: Any) -> Usage:
    read = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return Usage(sum(count(part(said, name)) for name in read), count(part(said, "output_tokens")))


def _total(said: dict[str, Any]) -> Usage:
    """By model where that is told, for it includes subagents; else of the whole."""
    models = part(said, "modelUsage")
    cost = micros(said.get("total_cost_usd"))
    if not isinstance(models, dict) or not models:
        whole = _usage(said.get("usage"))
        return Usage(whole.input_tokens, whole.output_tokens, cost)
    read = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return Usage(
        sum(count(part(it, name)) for it in models.values() for name in read),
        sum(count(part(it, "outputTokens")) for it in models.values()),
        cost,
    )


def _blocks(said: dict[str, Any]) -> list[Any]:
    blocks = part(said, "message", "content")
    return blocks if isinstance(blocks, list) else []


def _has_block(said: dict[str, Any], kind: str) -> bool:
    return any(word(it, "type") == kind for it in _blocks(said))


def _text(said: dict[str, Any]) -> str:
    return "\n".join(text for it in _blocks(said) if (text := word(it, "text")))


def _errors(said: dict[str, Any]) -> str:
    told = said.get("errors")
    return "\n".join(it for it in told if isinstance(it, str)) if isinstance(told, list) else ""
