"""Calls a Lua script by its name and its argument names, as the two unpack lines of the file declare them."""

import re
from importlib.resources import files
from typing import Any

from redis import Redis

_NEEDS = re.compile(r"^-- Needs: (.+)\.$", re.MULTILINE)
_KEYS = re.compile(r"^local (.+) = unpack\(KEYS\)$", re.MULTILINE)
_ARGV = re.compile(r"^local (.+) = unpack\(ARGV\)$", re.MULTILINE)


def _read(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _names(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"the script lacks its line '{pattern.pattern}'")
    return tuple(name.strip() for name in found[1].split(","))


class Script:
    """One Lua file, called with keyword arguments.

    A missing or misspelt name is a TypeError before anything is sent. The fragments that the file's
    "Needs:" line names are put behind its two unpack lines, so that they may use those names.
    """

    def __init__(self, name: str) -> None:
        text = _read(name)
        self.keys = _names(_KEYS, text)
        self.arguments = _names(_ARGV, text)
        needs = _NEEDS.search(text)
        fragments = "\n".join(_read(f"fragments/{part}") for part in needs[1].split(", ")) if needs else ""
        behind = next(_ARGV.finditer(text)).end()
        self.text = f"{text[:behind]}\n{fragments}\n{text[behind:]}"
        self._registered: dict[int, Any] = {}

    def __call__(self, client: "Redis", pipe: Any = None, **given: str | int | float) -> Any:
        """What the script answers; sent with others when a pipeline of that client is given."""
        if given.keys() != {*self.keys, *self.arguments}:
            wrong = sorted(given.keys() ^ {*self.keys, *self.arguments})
            raise TypeError(f"the script takes {(*self.keys, *self.arguments)}; wrong or missing: {wrong}")
        script = self._registered.get(id(client))
        if script is None:
            script = self._registered[id(client)] = client.register_script(self.text)
        keys: list[Any] = [given[name] for name in self.keys]
        return script(keys=keys, args=[given[name] for name in self.arguments], client=pipe)
