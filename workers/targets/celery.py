"""The target kind `celery`: a task of another app, by name and queue."""

from collections.abc import Mapping
from typing import Any

from workers.targets.called import caller
from workers.targets.hiding import Hider
from workers.targets.program import Program
from workers.targets.terms import Terms


def program(target: Mapping[str, Any], prompt: str, terms: Terms, hide: Hider) -> Program:
    """What a guard is to run."""
    return caller(target, prompt, terms, hide)
