"""The target kind `http`: one request that carries the prompt; its answer is the result."""

from collections.abc import Mapping
from typing import Any

from shared.rules.addresses import checked_url
from workers.targets.called import caller
from workers.targets.hiding import Hider
from workers.targets.program import Program
from workers.targets.terms import Terms


def program(target: Mapping[str, Any], prompt: str, terms: Terms, hide: Hider) -> Program:
    """What a guard is to run; ValueError where this worker may not call there."""
    checked_url(target["url"], terms.allowed.networks)
    return caller(target, prompt, terms, hide)
