"""Who gives a lease back takes the next in line in the same call: one, once, and only who had something to give."""

from shared.gate import Gate
from tests.slots.universe import LEASE_MS, REQUESTS, waiter

ONE, TWO = REQUESTS


def test_who_makes_room_may_take_the_next_in_line_in_the_same_call(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    first, second, third = (waiter(number, 0, 0) for number in (1, 2, 3))
    gate.offer([first, second, third])
    gate.claim(first.firing, ONE, "w1", LEASE_MS)

    made, taken = gate.release_and_take(first.firing, ONE, TWO, "w1", LEASE_MS)

    assert ([it.firing for it in made], taken) == ([second.firing], second.firing)
    assert [(it.state, it.request) for it in gate.states([second.firing])] == [("leased", str(TWO))]
    assert gate.claim(second.firing, TWO, "w1", LEASE_MS) == "LEASED"
    # Told twice, it gives nothing back, takes nothing more, and answers the same.
    assert gate.release_and_take(first.firing, ONE, TWO, "w1", LEASE_MS) == (made, taken)
    assert gate.states([third.firing])[0].state == "waiting"


def test_who_takes_the_next_takes_one_and_leaves_the_rest_to_messages(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    first, second, third = (waiter(number, 0, 0) for number in (1, 2, 3))
    gate.offer([first, second, third])
    gate.claim(first.firing, ONE, "w1", LEASE_MS)
    gate.redis.hset(f"{{scripts}}:{gate.epoch}:caps", "fleet", 2)

    made, taken = gate.release_and_take(first.firing, ONE, TWO, "w1", LEASE_MS)

    assert ([it.firing for it in made], taken) == ([second.firing, third.firing], second.firing)
    assert gate.states([third.firing])[0].state == "reserved"


def test_who_has_nothing_to_give_back_takes_nothing(gate: Gate) -> None:
    gate.set_cap("fleet", 1)
    first, second = waiter(1, 0, 0), waiter(2, 0, 0)
    gate.offer([first, second])
    gate.claim(first.firing, ONE, "w1", LEASE_MS)
    gate.redis.hset(f"{{scripts}}:{gate.epoch}:caps", "fleet", 2)

    made, taken = gate.release_and_take(first.firing, TWO, TWO, "w1", LEASE_MS)

    assert ([it.firing for it in made], taken) == ([second.firing], None)
    assert [it.state for it in gate.states([first.firing, second.firing])] == ["leased", "reserved"]


def test_what_a_worker_without_a_heartbeat_takes_leaves_the_processes_of_others_to_those_who_wait(gate: Gate) -> None:
    """Its own process was counted by nobody: the one that the reservation was made for is idle still."""
    gate.set_cap("fleet", 3)
    gate.renew("w1", 1, LEASE_MS, [])
    first, second, third = (waiter(number, 0, 0) for number in (1, 2, 3))
    gate.offer([first, second, third])
    gate.claim(first.firing, ONE, "w2", LEASE_MS)

    made, taken = gate.release_and_take(first.firing, ONE, TWO, "w2", LEASE_MS)

    assert taken == second.firing
    assert [it.firing for it in made] == [second.firing, third.firing]
