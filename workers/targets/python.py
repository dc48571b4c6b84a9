"""The target kind `python`: a callable of the user's own, in a process of its own."""

from collections.abc import Mapping
from typing import Any

from shared.rules.allowed import ANYTHING, check_callable
from workers.targets.called import caller
from workers.targets.hiding import Hider
from workers.targets.program import Program
from workers.targets.terms import Terms


def program(target: Mapping[str, Any], prompt: str, terms: Terms, hide: Hider) -> Program:
    """What a guard is to run; ValueError where this worker may not."""
    env: Mapping[str, str] = target.get("env") or {}
    check_callable(target["callable"], env, terms.allowed)
    if terms.allowed.callables != ANYTHING:
        # A folder that goes first could hold another module of an allowed name.
        target = {name: it for name, it in target.items() if name != "cwd"}
    return caller(target, prompt, terms, hide, env)
