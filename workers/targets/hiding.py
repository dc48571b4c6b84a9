"""Secrets that a target names: looked up in this process alone, and hidden in all that a payload says."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from shared.rules.allowed import Allowed, is_allowed_secret

REFERENCE = "$env"
# What is shorter would be found in words that mean nothing of the kind.
SHORTEST = 8


class Hider:
    """Puts a name in place of a secret's value, also as JSON, a URL or base64 write it."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        forms = {form: name for name, value in (secrets or {}).items() for form in _forms(value)}
        self._names = {form.encode(): f"[{name}]".encode() for form, name in forms.items()}
        self.longest = max(map(len, self._names), default=0)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, said: bytes) -> bytes:
        """The same, without the values."""
        if self._pattern is None:
            return said
        return self._pattern.sub(lambda found: self._names[found.group()], said)

    def text(self, said: str) -> str:
        """The same, of text."""
        return self(said.encode(errors="replace")).decode(errors="replace")


def resolved(target: Mapping[str, Any], worker: Mapping[str, str], allowed: Allowed) -> tuple[dict[str, Any], Hider]:
    """The target with values in place of `{"$env": NAME}`, and what hides them.

    ValueError for a name that targets may not use, or that this worker does not have.
    """
    secrets: dict[str, str] = {}

    def look_up(value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {REFERENCE}:
                name = value[REFERENCE]
                secrets[str(name)] = found = _value(name, worker, allowed)
                return found
            return {key: look_up(it) for key, it in value.items()}
        return [look_up(it) for it in value] if isinstance(value, list) else value

    return {key: look_up(it) for key, it in target.items()}, Hider(secrets)


def _value(name: Any, worker: Mapping[str, str], allowed: Allowed) -> str:
    if not isinstance(name, str) or not is_allowed_secret(name, allowed):
        raise ValueError(f"No target may use the worker's variable {name}: add it to SLOTBEAT_ALLOWED_SECRETS there.")
    value = worker.get(name)
    if value is None:
        raise ValueError(f"This worker has no variable {name}: set it where workers run.")
    if len(value) < SHORTEST:
        raise ValueError(
            f"The variable {name} is shorter than {SHORTEST} characters: it could not be hidden in output."
        )
    return value


def _forms(value: str) -> Iterable[str]:
    lines = [it.strip() for it in value.splitlines() if len(it.strip()) >= SHORTEST]
    for it in {value, *lines}:
        yield it
        yield json.dumps(it)[1:-1]
        yield json.dumps(it, ensure_ascii=False)[1:-1]
        yield quote(it, safe="")
        yield base64.b64encode(it.encode()).decode()
