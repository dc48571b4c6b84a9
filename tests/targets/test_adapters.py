"""The streams of Claude Code and Codex, written after their documentation, are counted as documented (RUN-1)."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.clock import now
from workers.adapters import ADAPTERS
from workers.adapters.events import Event, Usage
from workers.targets.output import LONGEST_LINE
from workers.targets.tally import LAST_EVENTS, MOST_EVENTS, Tally
from workers.targets.terms import Terms

STREAMS = Path(__file__).parent / "streams"


def heard(name: str, lines: list[bytes], max_turns: int | None = None) -> tuple[Tally, list[Event], list[str]]:
    events: list[Event] = []
    stops: list[str] = []
    tally = Tally(ADAPTERS[name](), events.extend, stops.append, Terms({}, 0, 0, 0, 1, max_turns=max_turns))
    for line in lines:
        tally.out(line, cut=False)
    tally.flush()
    return tally, events, stops


def stream(name: str) -> list[bytes]:
    return (STREAMS / name).read_bytes().splitlines()


def said(**event: Any) -> bytes:
    return json.dumps(event).encode()


def failed_by(status: int) -> bytes:
    return said(type="result", subtype="success", is_error=True, result="API Error", api_error_status=status)


def test_a_claude_code_run_is_counted_by_responses_and_its_last_line_is_authoritative() -> None:
    tally, events, _ = heard("claude-code", stream("claude_code.jsonl"))

    assert tally.turns == 3  # msg_1 in three lines, the subagent's msg_2, msg_3
    assert tally.usage == Usage(10 + 1000 + 1100 + 50, 70 + 5, 12_346)
    assert (tally.result, tally.failed) == ("All three tests pass.", None)
    kinds = ["message", "turn", "tool", "tool", "tool", "turn", "turn", "message"]
    assert [it.kind for it in events] == kinds, "pieces of a message that comes whole are not kept"


def test_what_claude_code_used_is_known_while_it_runs() -> None:
    tally, _, _ = heard("claude-code", stream("claude_code.jsonl")[:-1])

    # Once a response, with the highest figure that its lines tell.
    assert tally.usage == Usage(1004 + 50 + 1106, 40 + 5 + 2, 0)


def test_a_claude_code_run_is_ended_with_the_response_that_is_too_many() -> None:
    lines = stream("claude_code.jsonl")

    for at in range(1, len(lines)):
        _, _, stops = heard("claude-code", lines[:at], max_turns=2)
        assert stops == (["turn_limit_exceeded"] if at >= 8 else []), at


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([said(type="result", subtype="error_max_turns", is_error=True, num_turns=5)], "turn_limit_exceeded"),
        ([said(type="result", subtype="error_max_budget_usd", is_error=True)], "budget_exceeded"),
        ([failed_by(529)], "rate_limited"),
        ([failed_by(401)], "auth_failed"),
        ([failed_by(503)], "target_error"),
        (
            [
                said(type="assistant", error="billing_error", message={"content": [{"type": "text", "text": "no"}]}),
                said(type="result", subtype="success", is_error=True, result=""),
            ],
            "budget_exceeded",
        ),
        ([said(type="result", subtype="error_during_execution", is_error=True, errors=["boom"])], None),
    ],
)
def test_a_claude_code_run_that_fails_says_why(lines: list[bytes], reason: str | None) -> None:
    tally, _, _ = heard("claude-code", lines)

    assert tally.failed is not None
    assert tally.failed.reason == reason
    assert tally.error
    assert tally.turns == 0, "what the API answered is no response of the model"


def test_a_claude_code_run_whose_window_of_use_is_full_waits_for_the_next() -> None:
    def pause_s(*windows: dict[str, Any], end: bytes = failed_by(429)) -> int:
        lines = [said(type="rate_limit_event", rate_limit_info=it) for it in windows]
        return heard("claude-code", [*lines, end])[0].retry_after_s

    full = {"status": "rejected", "resetsAt": int(now().timestamp()) + 5000, "rateLimitType": "five_hour"}

    assert 4900 < pause_s(full) <= 5000
    assert pause_s(full, {**full, "status": "allowed"}) == 0
    assert pause_s({**full, "status": "allowed_warning"}) == 0
    assert pause_s({**full, "resetsAt": 1771390800}) == 0, "it is over"
    assert [pause_s({"status": "rejected"}), pause_s({**full, "resetsAt": "soon"})] == [0, 0]
    assert pause_s(full, end=said(type="result", subtype="success", is_error=False, result="ok")) == 0


def test_a_codex_run_is_counted_by_what_the_agent_does_and_says() -> None:
    tally, events, _ = heard("codex", stream("codex.jsonl"))

    assert tally.turns == 5  # a command, a change, a tool, two messages: neither thoughts nor lists
    assert tally.usage == Usage(30_000, 150, 0), "totals of the thread, not to be added up"
    assert (tally.result, tally.failed) == ("And checked.", None), "a reconnect is no failure"
    assert [it.kind for it in events if it.turns] == ["turn"] * 5


def test_a_codex_command_counts_when_it_begins() -> None:
    tally, _, stops = heard("codex", stream("codex.jsonl")[:4], max_turns=1)
    assert (tally.turns, stops) == (1, [])

    tally, _, stops = heard("codex", stream("codex.jsonl")[:7], max_turns=1)
    assert (tally.turns, stops) == (2, ["turn_limit_exceeded"])


def test_a_codex_turn_that_fails_fails_the_run() -> None:
    tally, _, _ = heard("codex", [said(type="turn.failed", error={"message": "429 Too Many Requests"})])

    assert tally.failed is not None
    assert tally.error == "429 Too Many Requests"


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"plain words",
        b"{}",
        b"{broken",
        b'{"type": null}',
        b'{"type": ["assistant"]}',
        b'{"type": "assistant", "message": "no object"}',
        b'{"type": "assistant", "message": {"id": 7, "content": "text", "usage": [1]}}',
        b'{"type": "result", "usage": {"input_tokens": "9", "output_tokens": -1}, "total_cost_usd": "free"}',
        b'{"type": "result", "total_cost_usd": NaN, "modelUsage": {"a": 1}}',
        b'{"type": "result", "total_cost_usd": 1e300, "result": {"not": "text"}}',
        b'{"type": "item.completed", "item": null}',
        b'{"type": "turn.completed", "usage": {"input_tokens": true}}',
        b'{"type": "error", "message": {"nested": 1}, "reason": ["x"]}',
        b'{"type": "turn"' + b', "a": {"b": 1}' * 1000 + b"}",
        b"{" * 100_000 + b"}",
    ],
    ids=lambda it: repr(it)[:40],
)
def test_a_line_of_any_form_is_an_event_or_a_line_of_log(name: str, line: bytes) -> None:
    tally, _, _ = heard(name, [line])

    assert tally.usage == Usage()


def test_of_too_many_events_the_first_and_the_last_are_kept() -> None:
    lines = [said(type="message", number=number) for number in range(MOST_EVENTS + 1000)]
    events: list[Event] = []
    tally = Tally(ADAPTERS["generic"](), events.extend, lambda _: None, Terms({}, 0, 0, 0, 1))

    for line in lines:
        tally.out(line, cut=False)
    tally.end("the last words")

    numbers = [it.data["number"] for it in events if "number" in it.data]
    assert numbers == [*range(MOST_EVENTS), *range(MOST_EVENTS + 1000 - LAST_EVENTS, MOST_EVENTS + 1000)]
    assert "800 events are left out" in str(events[MOST_EVENTS].data["text"])
    assert events[-1].data["text"] == "the last words"


@pytest.mark.parametrize("size", [LONGEST_LINE - 1000, LONGEST_LINE * 10])
def test_a_long_event_counts_whole_and_is_kept_in_part(size: int) -> None:
    """Five thousand of a megabyte each were all stored, and all held while Postgres was away."""
    text = "x" * size
    told = said(type="result", result=text, usage={"output_tokens": 5})

    tally, [event], _ = heard("generic", [told])

    assert (tally.result, tally.usage.output_tokens) == (text, 5)
    assert event.data["type"] == "result"
    assert len(json.dumps(event.data)) < LONGEST_LINE + 1000
    assert event.data.get("cut", False) is (size > LONGEST_LINE)
