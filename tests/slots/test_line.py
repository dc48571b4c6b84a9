"""Who is next: the line within a workspace, turns between workspaces, lanes whose slots nobody may waste."""

from typing import Any

import pytest

from shared.answers import Caps, Waiter
from shared.gate import Gate
from shared.keys import firings_key
from tests.slots.snapshot import taken
from tests.slots.universe import LEASE_MS, REQUESTS, START_LEASE_MS, WORKSPACES, waiter

ONE = REQUESTS[0]


def started(gate: Gate, *waiters: Waiter) -> list[int]:
    """Offers all at once, then starts and ends them one after the other; the line numbers in that order."""
    by_id = {it.firing: it.line_no for it in waiters}
    made, order = gate.offer(waiters), []
    while made:
        it = made.pop(0)
        order.append(by_id[it.firing])
        assert gate.claim(it.firing, ONE, "w1", LEASE_MS) == "LEASED"
        made += gate.release(it.firing, ONE)
    return order


def seeded(gate: Gate, epoch: int, **parts: Any) -> Gate:
    """Another gate beside it, of the same caps and workers unless told otherwise."""
    made = Gate(gate.redis, "beside", START_LEASE_MS, epoch, now_ms=gate.now_ms)
    whole: dict[str, Any] = {"caps": Caps({"fleet": 2}), "workers": [("w1", 20, 10**9)], **parts}
    assert made.load(epoch, **whole, done=True)
    return made


def test_a_workspaces_line_is_first_in_first_out_within_a_priority(gate: Gate) -> None:
    gate.set_cap("fleet", 1)

    order = started(gate, *(waiter(number, 0, 0) for number in (3, 1, 4, 2, 5)))

    assert order == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("come", ["offered", "loaded"])
def test_thousands_that_come_at_once_stand_in_their_order(gate: Gate, come: str) -> None:
    """A script may give a command a few thousand words at most: they are written in parts."""
    many = [waiter(number, number % 2, number % 3) for number in range(2500)]

    if come == "offered":
        gate.offer(many)
        gate.offer(many)
    else:
        gate = seeded(gate, 2, waiters=many)
        gate.offer([])

    known = taken(gate.redis)[firings_key(gate.namespace, gate.epoch)]
    assert known == {firing: facts for firing, *facts in (it.facts() for it in many)}
    places = {it.state for it in gate.states(it.firing for it in many)}
    assert places == {"waiting", "reserved"}
    assert (gate.usage().waiting, gate.usage().reserved) == (2498, 2)


def test_a_low_priority_is_late_but_a_hundred_later_arrivals_do_not_starve_it(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    low, high = waiter(1000, 0, 0, priority=6), [waiter(1000 + n, 0, 0, priority=5) for n in (1, 99, 101, 150)]

    order = started(gate, low, *high)

    assert order == [1001, 1099, 1000, 1101, 1150]


def test_of_two_lanes_the_one_with_the_earlier_head_goes_first_whichever_came_first(gate: Gate) -> None:
    """While a lane is its workspace's only one, nobody looks at its head's place; from the second on it counts."""
    gate.set_cap("fleet", 1)
    [first] = gate.offer([waiter(1, 0, 0), waiter(500, 0, 0)])
    gate.offer([waiter(100, 0, 1)])
    gate.claim(first.firing, ONE, "w1", LEASE_MS)

    [second] = gate.release(first.firing, ONE)
    gate.claim(second.firing, ONE, "w1", LEASE_MS)

    assert second.title == "t100"
    assert [it.title for it in gate.release(second.firing, ONE)] == ["t500"]


def test_workspaces_take_turns(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    many = [waiter(number, 0, 0) for number in range(1, 5)]

    order = started(gate, *many, waiter(5, 1, 0), waiter(6, 1, 0), waiter(7, 2, 0))

    assert order == [1, 5, 7, 2, 6, 3, 4]


def test_ten_thousand_waiters_of_one_workspace_do_not_delay_anothers_one(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    made = gate.offer([waiter(number, 0, 0) for number in range(10_000)])
    gate.claim(made[0].firing, ONE, "w1", LEASE_MS)
    gate.offer([waiter(10_001, 1, 0)])

    following = gate.release(made[0].firing, ONE)

    assert [it.title for it in following] == ["t10001"]


def test_workspaces_that_wait_for_a_lane_take_turns_too(gate: Gate) -> None:
    gate.set_cap("fleet", 20)
    gate.set_cap("lane:a", 1)

    order = started(gate, *(waiter(n, 0, 1) for n in (1, 2, 3)), *(waiter(n, 1, 1) for n in (4, 5, 6)))

    assert sorted(order[:2]) == [1, 4]
    assert sorted(order[2:4]) == [2, 5]


def test_a_full_lane_holds_up_nobody_else_of_its_workspace(gate: Gate) -> None:
    gate.set_cap("fleet", 9)
    gate.set_cap("lane:a", 1)

    made = gate.offer([waiter(1, 0, 1), waiter(2, 0, 1), waiter(3, 0, 0), waiter(4, 0, 2)])

    assert [it.title for it in made] == ["t1", "t3", "t4"]


def test_the_slot_of_a_withdrawn_waiters_lane_goes_to_the_next_workspace(gate: Gate) -> None:
    gate.set_cap("lane:a", 1)
    first, other = gate.offer([waiter(1, 0, 1), waiter(2, 0, 0)])
    gate.set_cap("fleet", 3)
    gate.offer([waiter(3, 1, 1), waiter(4, 2, 1)])
    for it in (first, other):
        gate.claim(it.firing, ONE, "w1", LEASE_MS)
    gate.set_cap("fleet", 1)
    gate.release(first.firing, ONE)

    gate.withdraw([waiter(3, 1, 1).firing])
    made = gate.release(other.firing, ONE)

    assert [it.title for it in made] == ["t4"]


def test_a_raised_cap_wakes_as_many_of_a_lane_as_fit(gate: Gate) -> None:
    gate.set_cap("fleet", 9)
    gate.set_cap("lane:a", 0)
    assert gate.offer([waiter(1, 0, 1), waiter(2, 1, 1), waiter(3, 2, 1)]) == []

    two = gate.set_cap("lane:a", 2)
    rest = gate.set_cap("lane:a", None)

    assert (len(two), len(rest)) == (2, 1)


def test_a_lifted_block_wakes_every_workspace_that_its_lane_has_room_for(gate: Gate) -> None:
    gate.set_cap("fleet", 9)
    gate.set_cap("lane:a", 3)
    gate.stop("lane:a", 1000)
    gate.offer([waiter(1, 0, 1), waiter(2, 1, 1), waiter(3, 2, 1)])
    gate.now_ms = (gate.now_ms or 0) + 1000

    assert len(gate.offer([])) == 3


def test_a_rebuild_restores_the_order_that_offers_made(gate: Gate) -> None:
    line = [waiter(n, n % 3, 0, priority=n % 4) for n in range(1, 30)]
    gate.set_cap("fleet", 1)

    beside = seeded(gate, 5, waiters=list(reversed(line)), caps=Caps({"fleet": 1}))

    assert started(beside, *line) == started(gate, *line)


def test_what_is_put_back_keeps_its_place(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    gate.offer([waiter(1, 0, 0), waiter(2, 0, 0)])
    gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS)

    made = gate.put_back(waiter(1, 0, 0).firing, ONE)

    assert [it.title for it in made] == ["t1"]


def test_the_slot_of_a_lane_goes_on_when_the_workspace_it_was_for_is_full(gate: Gate) -> None:
    gate.set_cap("lane:a", 1)
    gate.set_cap(f"workspace:{WORKSPACES[0]}", 1)
    first, other = gate.offer([waiter(1, 2, 1), waiter(2, 2, 0)])
    gate.claim(first.firing, ONE, "w1", LEASE_MS)
    gate.set_cap("fleet", 3)
    gate.offer([waiter(3, 0, 1), waiter(4, 1, 1)])
    gate.set_cap("fleet", 1)
    gate.release(first.firing, ONE)
    gate.reserve(waiter(5, 0, 0, forced=True))

    made = gate.set_cap("fleet", 9)

    assert gate.states([other.firing])[0].state == "reserved"
    assert [it.title for it in made] == ["t4"]


def test_a_full_workspace_that_its_lane_woke_in_vain_goes_on_when_it_has_room_again(gate: Gate) -> None:
    gate.set_cap("fleet", 9)
    gate.set_cap("lane:a", 1)
    gate.set_cap(f"workspace:{WORKSPACES[1]}", 1)
    [of_lane] = gate.offer([waiter(1, 0, 1), waiter(2, 1, 1)])
    of_workspace = waiter(3, 1, 0)
    gate.reserve(of_workspace)
    for firing in (of_lane.firing, of_workspace.firing):
        gate.claim(firing, ONE, "w1", LEASE_MS)
    assert gate.release(of_lane.firing, ONE) == []

    made = gate.release(of_workspace.firing, ONE)

    assert [it.title for it in made] == ["t2"]


def test_a_workspace_that_was_idle_does_not_go_before_one_that_waits_for_the_lane(gate: Gate) -> None:
    """Its virtual time is old, but what it did not use in the meantime is not owed to it."""
    gate.set_cap("fleet", 20)
    gate.set_cap("lane:a", 1)
    [holder, _] = gate.offer([waiter(1, 0, 1), waiter(2, 1, 0)])
    gate.claim(holder.firing, ONE, "w1", LEASE_MS)
    gate.offer([waiter(3, 1, 1)])
    assert len(gate.offer([waiter(number, 0, 0) for number in range(10, 15)])) == 5
    gate.offer([waiter(4, 2, 1)])

    made = gate.release(holder.firing, ONE)

    assert [it.title for it in made] == ["t3"]


def test_no_workspace_is_more_than_a_turn_behind_another_that_waits_for_the_same_lane(gate: Gate) -> None:
    gate.set_cap("fleet", 20)
    gate.set_cap("lane:a", 1)
    line = [waiter(10 * n + workspace, workspace, 1) for n in range(5) for workspace in range(3)]
    others = [waiter(1000 + n, n % 3, 0) for n in range(9)]
    by_title = {it.title: it for it in line}

    made, turns = gate.offer([*line, *others]), [0, 0, 0]
    while made:
        it = made.pop(0)
        gate.claim(it.firing, ONE, "w1", LEASE_MS)
        if it.title in by_title:
            turns[WORKSPACES.index(by_title[it.title].workspace)] += 1
            assert max(turns) <= 5
            assert max(turns) - min(turns) <= 1, turns
        made += gate.release(it.firing, ONE)

    assert turns == [5, 5, 5]
