"""The model and the code are the same: traces of the one are replayed on the other, state by state."""

import os
import random
from collections.abc import Iterator

import pytest

from shared.admission import Admission
from shared.celery_app import make_app
from shared.settings import addresses
from shared.store.connection import Database
from shared.store.invariants import broken
from tests.model.real import SETTINGS, Real
from tests.model.replay import replay
from tests.model.search import Graph, search, steps
from tests.model.world import Label, Rules, first

SEED = int(os.environ.get("MODEL_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
RULES = {
    "plain": Rules(),
    "forced": Rules(forced=(False, True)),
    "caps": Rules(caps=(0, 1, 2)),
    "renewed": Rules(deadline_age=2),
}
WALKS, LONGEST, FAULTS = 40, 18, 3
# All kinds of steps are possible in these already.
EARLIEST = 1500


@pytest.fixture
def real(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    database, app = Database(database_url), make_app("model")
    admissions = [Admission(database, addresses(), SETTINGS, app) for _ in range(3)]
    yield Real(admissions)
    for it in admissions:
        it.gate.redis.close()
    app.close()
    database.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RULES)
def test_the_code_does_what_the_model_says_on_random_ways(real: Real, name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    print(f"MODEL_SEED={SEED}")

    taken = sum(replay(real, walk(RULES[name], chance), RULES[name]) for _ in range(WALKS))

    print(f"{taken} steps alike on {WALKS} ways")
    assert not broken(real.sql)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RULES)
def test_the_code_does_what_the_model_says_on_the_shortest_way_to_every_kind_of_step(real: Real, name: str) -> None:
    found = shortest(search(RULES[name], 1 if name != "caps" else 0))

    for way in found.values():
        replay(real, way, RULES[name])

    assert len(found) >= 30
    assert not broken(real.sql)


def walk(rules: Rules, chance: random.Random) -> list[Label]:
    """A way through the world with a few faults; rare kinds of steps are as likely as common ones."""
    world, way, faults = first(), [], 0
    for _ in range(LONGEST):
        possible = [it for it in steps(world, rules, faults=faults < FAULTS) if faults + it.fault <= FAULTS]
        if not possible:
            break
        # Mostly on, for a way that fails at once sees little.
        sound = [it for it in possible if not it.fault]
        among = sound if sound and chance.random() < 0.7 else possible
        kind = chance.choice(sorted({str(it.label[0]) for it in among}))
        step = chance.choice([it for it in among if it.label[0] == kind])
        world, faults = step.world, faults + step.fault
        way.append(step.label)
    return way


def shortest(graph: Graph) -> dict[str, list[Label]]:
    """For each kind of step, a shortest way to the first world in which it can be taken, and the step."""
    found: dict[str, list[Label]] = {}
    for number, world in enumerate(graph.worlds[:EARLIEST]):
        for step in steps(world, graph.rules):
            if str(step.label[0]) not in found:
                found[str(step.label[0])] = [*graph.trace(number), step.label]
    return found
