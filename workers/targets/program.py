"""A target as what a guard can run: every kind becomes a program with an input and a way to read its output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workers.adapters import Adapter
from workers.targets.hiding import Hider

# What a program needs to find itself; everything else of the worker's, its secrets above all, stays behind.
_INHERITED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"})


@dataclass(frozen=True, slots=True)
class Program:
    """`adapter` makes the reader of one run's standard output."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: bytes
    adapter: Callable[[], Adapter]
    cwd: str | None = None
    hide: Hider = field(default_factory=Hider)


def environment(worker: Mapping[str, str], target: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """All that the payload sees; the later wins, so that no target can give itself another token."""
    names = _INHERITED.union(name for name in worker if name.startswith("LC_"))
    return {**{name: worker[name] for name in names if name in worker}, **target, **variables}
