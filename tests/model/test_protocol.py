"""Every interleaving of the slot protocol with a few faults; and what happens where a part of it is left out."""

import os

import pytest

from tests.model.search import Graph, search, steps, told
from tests.model.world import Rules, key

DEEPER = int(os.environ.get("MODEL_DEEPER", "0"))

CAP = "more payloads execute than the cap allows"
# The rules, and the faults that are looked at: anywhere, in every combination and order.
SOUND = {
    "two workers, two firings, cap 1": (Rules(), 2),
    "one of them forced": (Rules(forced=(False, True)), 1),
    "the cap lowered to 0 and raised again": (Rules(caps=(0, 1), max_attempts=1), 1),
    "the cap raised to 2 and lowered again": (Rules(caps=(1, 2), max_attempts=1), 1),
    "leases renewed, answers late or lost": (Rules(deadline_age=2), 1),
}
LEFT_OUT = {
    "the token is not checked when finishing": Rules(token_checked=False),
    "the guard has no deadline of its own": Rules(guard_has_deadline=False),
    "the reaper has no grace": Rules(reaper_has_grace=False),
    "there is no slot row, the gate is the authority": Rules(slot_rows=False),
    "the guard does not look at the deadline before it starts": Rules(guard_checks_before_start=False),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SOUND)
def test_no_interleaving_breaks_a_promise_or_comes_to_a_dead_end(name: str) -> None:
    """SLT-1, SLT-2, SLT-4 to SLT-6."""
    rules, faults = SOUND[name]

    graph = search(rules, faults + DEEPER)

    print(f"\n{name}: {len(graph.worlds):,} worlds with up to {faults + DEEPER} faults")
    assert graph.violation is None, shown(graph, graph.culprit)
    assert graph.dead_ends() == []


@pytest.mark.parametrize("name", LEFT_OUT)
def test_each_part_of_the_protocol_is_needed(name: str) -> None:
    graph = search(LEFT_OUT[name], 2)

    print(f"\n{name}:\n{shown(graph, graph.culprit)}")
    assert graph.violation == CAP


def test_a_cap_that_only_its_writer_tells_the_gate_can_stop_admission_for_ever() -> None:
    """The reconciler compares caps too: who raised one may have died before it told the gate."""
    graph = search(Rules(caps=(0, 1), max_attempts=1, caps_reconciled=False), 1)

    stuck = graph.dead_ends()

    print(f"\nwithout it:\n{shown(graph, stuck[0])}")
    assert graph.violation is None


def test_what_a_dead_process_took_with_its_release_is_lost_unless_the_reconciler_puts_it_back() -> None:
    """Nobody else knows the request: the same for a claim of which Postgres never heard."""
    graph = search(Rules(lost_claims_put_back=False), 1)

    stuck = set(graph.dead_ends())
    # A second fault leads to worlds that are not known here.
    lost = {
        graph.known[key(step.world)]
        for world in graph.worlds
        for step in steps(world, graph.rules)
        if step.label[0] == "take_answer_lost" and key(step.world) in graph.known
    }

    print(f"\nwithout it:\n{shown(graph, min(lost & stuck))}")
    assert graph.violation is None


def shown(graph: Graph, number: int) -> str:
    steps = "\n".join(f"  {it}" for it in told(graph.trace(number)))
    return f"{steps}\n  -> {graph.violation or 'nothing can start any more'}"
