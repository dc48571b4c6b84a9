"""The target kind `command`: a program of the user's own; the prompt is its standard input."""

import os
from collections.abc import Mapping
from typing import Any

from shared.rules.allowed import check_command
from workers.adapters import ADAPTERS
from workers.targets.hiding import Hider
from workers.targets.program import Program, environment
from workers.targets.terms import Terms


def program(target: Mapping[str, Any], prompt: str, terms: Terms, hide: Hider) -> Program:
    """What a guard is to run; ValueError where this worker may not."""
    env: Mapping[str, str] = target.get("env") or {}
    check_command(target["argv"], env, terms.allowed)
    adapter = target.get("adapter") or "generic"
    if adapter not in ADAPTERS:
        raise ValueError(f"There is no adapter {adapter!r}: use one of {', '.join(ADAPTERS)}.")
    return Program(
        argv=target["argv"],
        env=environment(os.environ, env, terms.variables),
        stdin=prompt.encode("utf-8", errors="replace"),
        adapter=ADAPTERS[adapter],
        cwd=target.get("cwd"),
        hide=hide,
    )
