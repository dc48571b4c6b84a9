"""Forced firings need no room: they wait for a drain to end, and for nothing else."""

import pytest

from shared.answers import Caps, Seat
from shared.gate import Gate
from tests.slots.universe import LEASE_MS, REQUESTS, WORKSPACES, waiter

ONE = REQUESTS[0]


def full(gate: Gate) -> None:
    """The fleet's cap of 2 is taken, and more waits."""
    gate.offer([waiter(number, 0, 0) for number in (101, 102, 103)])
    assert gate.usage().limits[0].used == 2


def test_a_forced_firing_that_is_put_back_is_reserved_again_at_once(gate: Gate) -> None:
    """Its worker could not reach Postgres: it needs no more room than before."""
    full(gate)
    forced = waiter(1, 1, 0, forced=True)
    gate.reserve(forced)
    assert gate.claim(forced.firing, ONE, "w1", LEASE_MS) == "LEASED"

    made = gate.put_back(forced.firing, ONE)

    assert [it.firing for it in made] == [forced.firing]


def test_a_forced_firing_that_is_rebuilt_is_reserved_past_the_cap(gate: Gate) -> None:
    running = [Seat(waiter(number, 0, 0), ONE, "w1", LEASE_MS) for number in (101, 102)]
    forced = waiter(1, 1, 0, forced=True)
    assert gate.load(2, caps=Caps({"fleet": 2}), seats=running, waiters=[waiter(103, 0, 0), forced], done=True)
    gate.epoch = 2

    assert [it.firing for it in gate.offer([])] == [forced.firing]


@pytest.mark.parametrize("drained", ["fleet", f"workspace:{WORKSPACES[0]}", "lane:a"])
def test_a_forced_firing_offered_during_a_drain_starts_as_forced_when_the_drain_ends(gate: Gate, drained: str) -> None:
    """Cap 0 stops forced ones too; raised again, to less than what runs, it lets them go past."""
    full(gate)
    gate.set_cap(drained, 0)
    forced = [waiter(number, 0, 1, forced=True) for number in (1, 2)]
    assert gate.offer(forced) == []
    assert gate.usage().waiting == 3
    gate.withdraw([forced[1].firing])

    made = gate.set_cap(drained, 1)

    assert [it.firing for it in made] == [forced[0].firing]
    assert gate.usage().waiting == 1


def test_a_forced_firing_that_postgres_calls_drained_is_no_hot_loop(gate: Gate) -> None:
    """The gate has not heard of the drain yet: it waits out the block, then goes first of all."""
    forced = waiter(1, 0, 0, forced=True)
    gate.offer([forced])
    gate.claim(forced.firing, ONE, "w1", LEASE_MS)

    assert gate.block("fleet", forced.firing, ONE) == []
    assert gate.offer([waiter(2, 0, 0)]) == []
    gate.now_ms = (gate.now_ms or 0) + 1000

    assert [it.title for it in gate.offer([])] == ["t1", "t2"]


def parked(gate: Gate) -> None:
    """A forced firing executes in lane a, which is full with it: a workspace waits for the lane."""
    gate.set_cap("lane:a", 1)
    gate.offer([waiter(1, 0, 1, forced=True)])
    gate.claim(waiter(1, 0, 1).firing, ONE, "w1", LEASE_MS)
    assert gate.offer([waiter(2, 0, 1)]) == []


def test_a_block_of_the_fleet_stops_a_forced_firing_while_its_workspace_waits_for_its_lane(gate: Gate) -> None:
    """Waking the lane looks at two of its limits: the third is looked at all the same."""
    parked(gate)

    assert gate.block("fleet", waiter(1, 0, 1).firing, ONE) == []


def test_a_drained_fleet_stops_a_forced_firing_that_is_put_back_into_a_full_lane(gate: Gate) -> None:
    parked(gate)
    gate.set_cap("fleet", 0)

    assert gate.put_back(waiter(1, 0, 1).firing, ONE) == []
