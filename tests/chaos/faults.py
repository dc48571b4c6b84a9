"""Every kind of fault by its name, the plan that a seed makes of them, and what was done."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from shared.clock import boottime
from tests.chaos.world import World

# Does the fault; until when it lasts (a moment of the boot clock), or None if it is over at once.
Deed = Callable[[World, random.Random], float | None]
KINDS: dict[str, Deed] = {}
PAUSE_S = (0.8, 2.6)


def fault(deed: Deed) -> Deed:
    """Registers a kind of fault under its function's name."""
    KINDS[deed.__name__.replace("_", "-")] = deed
    return deed


def every_kind(only: Sequence[str] = ()) -> dict[str, Deed]:
    """All kinds, or those whose name begins with one of `only`."""
    for name in ("processes", "servers", "messages", "people"):
        import_module(f"tests.chaos.faults_{name}")
    known = {name: deed for name, deed in KINDS.items() if not only or name.startswith(tuple(only))}
    if not known:
        raise SystemExit(f"no such kind of fault: {', '.join(only)}; there are {', '.join(KINDS)}")
    return known


@dataclass(frozen=True)
class Planned:
    """One fault of a plan: how long after the one before, which kind, and what its own dice start from."""

    pause_s: float
    kind: str
    seed: str


def plan(seed: int, kinds: Sequence[str]) -> Iterator[Planned]:
    """Faults without end: every kind once in random order, then again. The same seed, the same plan."""
    dice = random.Random(seed)
    number = 0
    while True:
        for kind in dice.sample(sorted(kinds), len(kinds)):
            number += 1
            yield Planned(dice.uniform(*PAUSE_S), kind, f"{seed}/{number}/{kind}")


@dataclass(frozen=True)
class Injected:
    """One fault as it was: from when to when, and whether it could be done."""

    kind: str
    since: float
    until: float
    done: bool


def inject(world: World, planned: Planned, deed: Deed) -> Injected:
    since = boottime()
    lasts: list[float | None] = []
    done = world.tries(lambda: lasts.append(deed(world, random.Random(planned.seed))))
    return Injected(planned.kind, since, max(boottime(), *(it or 0.0 for it in lasts), 0.0), done)
