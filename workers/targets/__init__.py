"""What a firing can run: one module a kind, each of which makes a program that a guard can run."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from workers.guards import Guards
from workers.outcome import Outcome
from workers.targets import a2a, celery, command, http, python, under_guard
from workers.targets.hiding import Hider, resolved
from workers.targets.program import Program
from workers.targets.tally import OnEvents
from workers.targets.terms import Terms

# Given the target with its secrets in place, the prompt, the attempt's terms, and what hides the secrets.
# ValueError: this target can never run here as it is.
Kind = Callable[[Mapping[str, Any], str, Terms, Hider], Program]

TARGETS: dict[str, Kind] = {
    "command": command.program,
    "http": http.program,
    "a2a": a2a.program,
    "python": python.program,
    "celery": celery.program,
}


def execute(target: Mapping[str, Any], prompt: str, terms: Terms, guards: Guards, on_events: OnEvents) -> Outcome:
    """Runs a target of any kind; answers when nothing of the payload executes any more.

    ValueError: this target can never run here as it is.
    """
    return under_guard.run(program(target, prompt, terms), terms, guards, on_events).outcome()


def program(target: Mapping[str, Any], prompt: str, terms: Terms) -> Program:
    """What a guard is to run for a target of any kind, its secrets in place."""
    kind = TARGETS.get(target.get("kind", ""))
    if kind is None:
        raise ValueError(f"There is no kind of target {target.get('kind')!r}: use one of {', '.join(TARGETS)}.")
    target, hide = resolved(target, os.environ, terms.allowed)
    return kind(target, prompt, terms, hide)
