"""The search: every world that some interleaving of steps with so many faults can reach, each once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.model.clocks import of_guards, of_time
from tests.model.promises import broken, broken_by, is_done
from tests.model.steps import Step, Steps, of_worker, waits_for_locks
from tests.model.upkeep import of_faults, of_operator, of_reaper, of_reconciler
from tests.model.world import Label, Rules, World, first, key

# Chance and people may do these, or not: the way to the end must not need them.
NOT_TO_BE_COUNTED_ON = ("claim_late", "set_cap")


@dataclass
class Graph:
    """What was found: the worlds, how each was first reached, and where each leads without a fault."""

    rules: Rules
    worlds: list[World] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    known: dict[tuple[object, ...], int] = field(default_factory=dict)
    met: dict[World, int] = field(default_factory=dict)  # the same by other names, for a quick look
    violation: str | None = None
    culprit: int = -1

    def add(self, world: World, label: Label, parent: int) -> int:
        """The number of a world that is new."""
        self.worlds.append(world)
        self.labels.append(label)
        self.parents.append(parent)
        return len(self.worlds) - 1

    def trace(self, number: int) -> list[Label]:
        """The steps of a shortest way to a world."""
        found: list[Label] = []
        while self.parents[number] >= 0:
            found.append(self.labels[number])
            number = self.parents[number]
        return found[::-1]

    def dead_ends(self) -> list[int]:
        """Worlds from which the end cannot be reached any more, although nothing else goes wrong."""
        order = sorted(range(len(self.targets)), key=self.targets.__getitem__)
        starts = [0] * (len(self.worlds) + 1)
        for target in self.targets:
            starts[target + 1] += 1
        for number in range(len(self.worlds)):
            starts[number + 1] += starts[number]
        reached = bytearray(is_done(world) for world in self.worlds)
        todo = [number for number, done in enumerate(reached) if done]
        while todo:
            number = todo.pop()
            for edge in order[starts[number] : starts[number + 1]]:
                source = self.sources[edge]
                if not reached[source]:
                    reached[source] = 1
                    todo.append(source)
        return [number for number, done in enumerate(reached) if not done]


def steps(world: World, rules: Rules) -> Steps:
    """Whatever may happen next."""
    found = _steps(world, rules)
    if all(it.phase != "ahead" for it in world.workers):
        return found
    return (it for it in found if not waits_for_locks(world, it))


def _steps(world: World, rules: Rules) -> Steps:
    for i in (0, 1):
        yield from of_worker(world, i, rules)
    yield from of_guards(world, rules)
    yield from of_time(world, rules)
    yield from of_reconciler(world, rules)
    yield from of_reaper(world, rules)
    yield from of_operator(world, rules)
    if rules.faults:
        yield from of_faults(world, rules)


def search(rules: Rules, faults: int, earliest: int | None = None) -> Graph:
    """Breadth first, those with the fewest faults before all others; ends early at a broken promise, or when it has
    the `earliest` so many worlds."""
    graph = Graph(rules)
    graph.known[key(first())] = graph.add(first(), (), -1)
    layer = [0]
    with no_garbage():
        for fault in range(faults + 1):
            beyond = _explore(graph, layer, earliest, faults=fault < faults)
            layer = []
            for number, step in beyond:
                if graph.violation is None:
                    _take(graph, layer, number, step)
    return graph


@contextmanager
def no_garbage() -> Iterator[None]:
    """Worlds are values without a circle: to look for one through all of them, again and again, costs a quarter."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _explore(graph: Graph, layer: list[int], earliest: int | None, *, faults: bool) -> list[tuple[int, Step]]:
    """Everything that can be reached from here without a fault; the faults that may come next."""
    beyond: list[tuple[int, Step]] = []
    rules = graph.rules._replace(faults=faults)
    for number in layer:  # grows while it is read
        if earliest is not None and len(graph.worlds) >= earliest:
            return []
        for step in steps(graph.worlds[number], rules):
            if not step.fault:
                _take(graph, layer, number, step)
            elif faults:
                beyond.append((number, step))
        if graph.violation is not None:
            return []
    return beyond


def _take(graph: Graph, layer: list[int], number: int, step: Step) -> None:
    there = graph.met.get(step.world)
    if there is None:
        found = key(step.world)
        there = graph.known.get(found)
        if there is None:
            there = graph.known[found] = graph.add(step.world, step.label, number)
            layer.append(there)
            if graph.violation is None:
                graph.violation = broken(step.world, graph.rules)
                graph.culprit = there
        graph.met[step.world] = there
    if graph.violation is None and step.world.rows is not graph.worlds[number].rows:
        graph.violation = broken_by(graph.worlds[number], step, graph.rules)
        if graph.violation is not None:
            graph.culprit = graph.add(step.world, step.label, number)
    if not step.fault and step.label[0] not in NOT_TO_BE_COUNTED_ON:
        graph.sources.append(number)
        graph.targets.append(there)


def told(labels: list[Label]) -> Iterator[str]:
    """A trace for people."""
    for label in labels:
        yield f"{label[0]}({', '.join(str(it) for it in label[1:])})"
