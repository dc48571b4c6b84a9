"""The target kind `a2a`: an agent that speaks the Agent2Agent protocol."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from shared.rules.addresses import checked_url
from workers.targets.called import caller
from workers.targets.hiding import Hider
from workers.targets.program import Program
from workers.targets.terms import Terms


def program(target: Mapping[str, Any], prompt: str, terms: Terms, hide: Hider) -> Program:
    """What a guard is to run; ValueError where this worker may not call there, or lacks the package."""
    if find_spec("a2a") is None:
        raise ValueError("This worker lacks the package a2a-sdk: install it with `pip install 'slotbeat[a2a]'`.")
    checked_url(target["url"], terms.allowed.networks)
    return caller(target, prompt, terms, hide)
