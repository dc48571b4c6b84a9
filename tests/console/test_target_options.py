"""The options of the command line that say what a schedule runs, as the API takes them."""

from typing import Any

import pytest

from console.cli.failures import Failure
from console.cli.target_options import target_of

TAKEN: list[tuple[dict[str, Any], tuple[str, ...], dict[str, Any] | None]] = [
    ({}, (), None),
    ({}, ("a", "-b"), {"kind": "command", "argv": ["a", "-b"]}),
    (
        {"env": ("A=b=c",), "secret_env": ("K=AGENT_KEY",), "adapter": "codex", "cwd": "/x"},
        ("codex",),
        {"kind": "command", "argv": ["codex"], "env": {"A": "b=c", "K": {"$env": "AGENT_KEY"}}, "adapter": "codex",
         "cwd": "/x"},
    ),
    (
        {"http": "https://a.example", "secret_header": ("Authorization=KEY",), "body": '{"a": 1}', "timeout_s": 5},
        (),
        {"kind": "http", "url": "https://a.example", "headers": {"Authorization": {"$env": "KEY"}}, "body": {"a": 1},
         "timeout_s": 5},
    ),
    ({"a2a": "https://a.example"}, (), {"kind": "a2a", "url": "https://a.example"}),
    ({"python": "a.b:c", "kwargs": "{}"}, (), {"kind": "python", "callable": "a.b:c", "kwargs": {}}),
    (
        {"celery": "agents.report", "task_queue": "agents", "broker": "AGENTS_BROKER"},
        (),
        {"kind": "celery", "task": "agents.report", "queue": "agents", "broker_url": {"$env": "AGENTS_BROKER"}},
    ),
    ({"target": '{"kind": "a2a", "url": "x"}'}, (), {"kind": "a2a", "url": "x"}),
]  # fmt: skip
REFUSED: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"http": "x"}, ("a",)), ({"http": "x", "a2a": "y"}, ()), ({"env": ("A=b",)}, ()),
    ({"http": "x", "env": ("A=b",)}, ()),
    ({"env": ("A",)}, ("a",)), ({"http": "x", "body": "{"}, ()), ({"http": "x", "body": "[1]"}, ()),
    ({"target": "{}", "http": "x"}, ()), ({"target": "{}"}, ("a",)), ({"target": "nothing"}, ()),
    ({"python": "x", "broker": "B"}, ()),
]  # fmt: skip


@pytest.mark.parametrize(("given", "argv", "target"), TAKEN)
def test_options_become_the_target_that_they_say(
    given: dict[str, Any], argv: tuple[str, ...], target: dict[str, Any] | None
) -> None:
    assert target_of(dict(given), argv) == target


@pytest.mark.parametrize(("given", "argv"), REFUSED)
def test_options_that_do_not_go_together_are_refused_with_a_remedy(
    given: dict[str, Any], argv: tuple[str, ...]
) -> None:
    with pytest.raises(Failure, match=r"--|one thing"):
        target_of(dict(given), argv)
