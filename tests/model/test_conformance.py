"""The model and the code are the same: traces of the one are replayed on the other, state by state."""

import pytest

from shared.store.invariants import broken
from tests.model.real import Real
from tests.model.replay import replay
from tests.model.search import Graph, search, steps
from tests.model.world import Label, Rules

RULES = {
    "plain": Rules(),
    "forced": Rules(forced=(False, True)),
    "caps": Rules(caps=(0, 1, 2)),
    "renewed": Rules(deadline_age=2),
}
# All kinds of steps are possible in these already.
EARLIEST = 1500


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RULES)
def test_the_code_does_what_the_model_says_on_the_shortest_way_to_every_kind_of_step(real: Real, name: str) -> None:
    found = shortest(search(RULES[name], 1 if name != "caps" else 0, EARLIEST))

    for way in found.values():
        replay(real, way, RULES[name])

    assert len(found) >= 30
    assert not broken(real.sql)


def shortest(graph: Graph) -> dict[str, list[Label]]:
    """For each kind of step, a shortest way to the first world in which it can be taken, and the step."""
    found: dict[str, list[Label]] = {}
    for number, world in enumerate(graph.worlds[:EARLIEST]):
        for step in steps(world, graph.rules):
            if str(step.label[0]) not in found:
                found[str(step.label[0])] = [*graph.trace(number), step.label]
    return found
