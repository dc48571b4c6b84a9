"""The kind `python`: a callable of the user's own, in a process of its own (RUN-4)."""

import json
import sys
from typing import Any

import pytest

from shared.rules.allowed import Allowed
from tests.targets.conftest import VARIABLES, run, terms
from workers.guards import Guards

HERE = "tests.targets.callables"


def target(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "python", "callable": f"{HERE}:{name}", "cwd": sys.path[0] or ".", **more}


def test_a_callable_is_told_who_it_is_and_tells_what_it_does(guards: Guards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_KEY", "a long enough secret")
    asked = target("works", kwargs={"more": 1}, env={"AGENT_KEY": {"$env": "AGENT_KEY"}})

    outcome, events = run(guards, asked, terms(allowed=Allowed(secrets=("AGENT_KEY",))))

    assert outcome.reason is None
    assert (outcome.turns, outcome.input_tokens, outcome.cost_micros) == (1, 3, 9)
    told = json.loads(outcome.result or "")
    assert (told["prompt"], told["token"], told["attempt"], told["more"]) == ("do it", 7, 2, 1)
    assert (told["max_turns"], told["aborted"], told["environment"]) == (None, False, "7")
    assert told["firing_id"] == VARIABLES["SLOTBEAT_FIRING_ID"]
    assert told["secret"] == "[AGENT_KEY]"
    texts = [it.data.get("text") for it in events if it.kind == "log"]
    assert {"printed", "logged"} <= set(texts)


@pytest.mark.parametrize("name", ["talks", "waits"])
def test_a_callable_that_takes_a_turn_too_many_is_told_to_end(name: str, guards: Guards) -> None:
    """RUN-5, and the abort: `aborted` for a function, a cancellation for a coroutine."""
    outcome, events = run(guards, target(name), terms(max_turns=1))

    assert outcome.reason == "turn_limit_exceeded"
    assert (outcome.turns or 0) >= 2
    assert any(it.data.get("text") in ("I heard", "cancelled False") for it in events)


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("states", "rate_limited", "the model is busy"),
        ("breaks", "rate_limited", "RuntimeError: 429 Too Many Requests"),
        ("leaves", "exit_nonzero", "3"),
        ("missing", "bad_target", "cannot be imported"),
        ("nothing", "bad_target", "nothing that can be called"),
        ("forges", None, None),
    ],
)
def test_a_callable_that_fails_says_why(name: str, reason: str | None, words: str | None, guards: Guards) -> None:
    outcome, _ = run(guards, target(name))

    assert outcome.reason == reason
    assert words is None or words in (outcome.error or "")


def test_an_entry_point_that_nobody_has_is_a_bad_target(guards: Guards) -> None:
    outcome, _ = run(guards, {"kind": "python", "callable": "nobody-has-this"})

    assert (outcome.reason, "slotbeat.targets" in (outcome.error or "")) == ("bad_target", True)


def test_a_callable_that_is_not_allowed_is_not_even_started(guards: Guards) -> None:
    """SEC-3."""
    with pytest.raises(ValueError, match="SLOTBEAT_ALLOWED_CALLABLES"):
        run(guards, target("works"), terms(allowed=Allowed(callables=("agents.*",))))
