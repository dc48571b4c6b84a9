"""Calls a Lua script by its name and its argument names, as the two unpack lines of the file declare them."""

import hashlib
import re
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

_NEEDS = re.compile(r"^-- Needs: (.+)\.$", re.MULTILINE)
_HERE = re.compile(r"^ *-- Here: (.+)\.$", re.MULTILINE)
_KEYS = re.compile(r"^local (.+) = unpack\(KEYS\)$", re.MULTILINE)
_ARGV = re.compile(r"^local (.+) = unpack\(ARGV\)$", re.MULTILINE)


def _read(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _names(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"the script lacks its line '{pattern.pattern}'")
    return tuple(name.strip() for name in found[1].split(","))


def _fragments(named: str) -> str:
    return _placed("\n".join(_read(f"fragments/{part}") for part in named.split(", ")))


def _placed(text: str) -> str:
    return _HERE.sub(lambda found: _fragments(found[1]), text)


class Script:
    """One Lua file, called with keyword arguments.

    A missing or misspelt name is a TypeError before anything is sent. The fragments that the file's "Needs:" line
    names are put behind its two unpack lines, so that they may use those names, and those that a "Here:" line
    names into its place: a script that ends before has not made their functions.
    """

    def __init__(self, name: str) -> None:
        text = _read(name)
        self.keys = _names(_KEYS, text)
        self.arguments = _names(_ARGV, text)
        self._names = (*self.keys, *self.arguments)
        self.asked = frozenset(self._names)
        needs = _NEEDS.search(text)
        behind = next(_ARGV.finditer(text)).end()
        self.text = _placed(f"{text[:behind]}\n{_fragments(needs[1]) if needs else ''}\n{text[behind:]}")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def load(self, client: "Redis") -> None:
        """Gives the server the script, which a call in a pipeline needs beforehand."""
        client.script_load(self.text)

    def __call__(self, client: "Redis", **given: str | int | float) -> Any:
        """What the script answers, or None in a pipeline, which answers later."""
        try:
            values = [given[name] for name in self._names]
        except KeyError:
            values = []
        if len(values) != len(given):
            raise TypeError(f"the script takes {self._names}; wrong or missing: {sorted(given.keys() ^ self.asked)}")
        try:
            return client.evalsha(self.sha, len(self.keys), *values)  # pyright: ignore[reportArgumentType]
        except NoScriptError:
            return client.eval(self.text, len(self.keys), *values)  # pyright: ignore[reportArgumentType]
