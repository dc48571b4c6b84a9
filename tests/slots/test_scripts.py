"""The contract of each script, where the model says too little: refusals, blocks, processes, leases, rebuilds."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.answers import Caps, InTheWay, Reserved, Seat, Unseeded
from shared.gate import Gate
from tests.slots.snapshot import taken
from tests.slots.universe import LEASE_MS, REQUESTS, START_LEASE_MS, waiter

ONE, TWO = REQUESTS

# Every method that asks a script, with arguments that would change something if it were answered.
CALLS: dict[str, Callable[[Gate], Any]] = {
    "offer": lambda gate: gate.offer([waiter(9, 0, 0)]),
    "reserve": lambda gate: gate.reserve(waiter(9, 0, 0)),
    "claim": lambda gate: gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS),
    "renew": lambda gate: gate.renew("w9", 9, LEASE_MS, []),
    "release": lambda gate: gate.release(waiter(2, 0, 0).firing, ONE),
    "release_and_take": lambda gate: gate.release_and_take(waiter(2, 0, 0).firing, ONE, TWO, "w1", LEASE_MS),
    "put_back": lambda gate: gate.put_back(waiter(2, 0, 0).firing, ONE),
    "withdraw": lambda gate: gate.withdraw([waiter(1, 0, 0).firing]),
    "abort": lambda gate: gate.abort(waiter(2, 0, 0).firing, ONE, "aborted"),
    "block": lambda gate: gate.block("fleet", waiter(2, 0, 0).firing, ONE),
    "stop": lambda gate: gate.stop("fleet", 9),
    "expired": lambda gate: gate.expired(9),
    "unclaimed": lambda gate: gate.unclaimed(0, 9),
    "seat": lambda gate: gate.seat([Seat(waiter(9, 0, 0), ONE, "w1", LEASE_MS)]),
    "set_cap": lambda gate: gate.set_cap("fleet", 9),
    "states": lambda gate: gate.states([waiter(1, 0, 0).firing]),
    "usage": lambda gate: gate.usage(),
}


@pytest.mark.parametrize("epoch", [0, 2, None])
def test_every_script_answers_unseeded_under_another_epoch_and_changes_nothing(gate: Gate, epoch: int | None) -> None:
    gate.offer([waiter(1, 0, 0), waiter(2, 0, 0)])
    gate.claim(waiter(2, 0, 0).firing, ONE, "w1", LEASE_MS)
    if epoch is None:
        gate.redis.delete("{scripts}:epoch")
    gate.epoch = 1 if epoch is None else epoch
    before = taken(gate.redis)

    for call in CALLS.values():
        with pytest.raises(Unseeded):
            call(gate)

    assert taken(gate.redis) == before


def test_a_block_lasts_one_second_then_two_and_at_most_ten(gate: Gate) -> None:
    gate.offer([waiter(1, 0, 0)])
    spans = []

    for _ in range(6):
        assert gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS) == "LEASED"
        assert gate.block("fleet", waiter(1, 0, 0).firing, ONE) == []
        began = gate.now_ms or 0
        for span in (1000, 2000, 4000, 8000, 10_000):
            gate.now_ms = began + span - 1
            assert gate.offer([]) == []
            gate.now_ms = began + span
            if gate.offer([]):
                spans.append(span)
                break

    assert spans == [1000, 2000, 4000, 8000, 10_000, 10_000]


def test_a_shorter_block_does_not_cut_a_longer_stop(gate: Gate) -> None:
    gate.offer([waiter(1, 0, 0)])
    gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS)
    gate.stop("fleet", 30_000)
    gate.block("fleet", waiter(1, 0, 0).firing, ONE)
    gate.stop("fleet", 5)

    gate.now_ms = (gate.now_ms or 0) + 29_999

    assert gate.offer([]) == []


def test_a_stale_blocks_nothing(gate: Gate) -> None:
    gate.offer([waiter(1, 0, 0), waiter(2, 0, 0), waiter(3, 0, 0)])
    gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS)

    gate.block("fleet", waiter(1, 0, 0).firing, TWO)

    assert [it.title for it in gate.release(waiter(1, 0, 0).firing, ONE)] == ["t3"]


def test_reservations_never_exceed_the_processes_of_workers_that_live(gate: Gate) -> None:
    gate.set_cap("fleet", 50)
    gate.renew("w1", 2, LEASE_MS, [])
    line = [waiter(number, 0, 0) for number in range(1, 11)]

    first = gate.offer(line)
    _, second = gate.renew("w2", 3, LEASE_MS, [])
    gate.now_ms = (gate.now_ms or 0) + LEASE_MS + 1
    _, third = gate.renew("w2", 3, LEASE_MS, [])
    _, fourth = gate.renew("w3", 4, LEASE_MS, [])

    assert [len(first), len(second), len(third), len(fourth)] == [2, 3, 0, 2]


def test_a_worker_that_goes_frees_no_lease_but_gets_no_more(gate: Gate) -> None:
    gate.offer([waiter(1, 0, 0)])
    gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS)

    answers, made = gate.renew("w1", 0, LEASE_MS, [(waiter(1, 0, 0).firing, ONE)])

    assert (answers, made) == (["ok"], [])
    assert gate.offer([waiter(2, 0, 0)]) == []
    assert gate.usage().processes == 0


def test_a_run_now_says_which_limit_is_in_the_way_and_leaves_nothing(gate: Gate) -> None:
    gate.set_cap("lane:a", 1)
    gate.set_cap("lane:b", 0)
    assert gate.reserve(waiter(1, 0, 1)) == Reserved()
    before = taken(gate.redis)

    full, draining = gate.reserve(waiter(2, 0, 1)), gate.reserve(waiter(3, 0, 2, forced=True))

    assert (full, draining) == (InTheWay("lane:a", draining=False), InTheWay("lane:b", draining=True))
    assert taken(gate.redis) == before


def test_a_run_now_of_what_waits_reserves_it_only_if_there_is_room(gate: Gate) -> None:
    gate.offer([waiter(n, 0, 0) for n in (1, 2, 3)])
    full = gate.reserve(waiter(3, 0, 0))
    gate.redis.hset("{scripts}:1:caps", "fleet", 3)

    room = gate.reserve(waiter(3, 0, 0))

    assert (full, room) == (InTheWay("fleet", draining=False), Reserved())
    assert gate.usage().waiting == 0


def test_a_seat_takes_nothing_over_from_the_lease_before(gate: Gate) -> None:
    it = waiter(1, 0, 0)
    gate.seat([Seat(it, ONE, "w1", LEASE_MS)])
    gate.abort(it.firing, ONE, "aborted")

    seated = gate.seat([Seat(it, TWO, "w2", LEASE_MS)])

    assert seated == 1
    assert gate.renew("w2", 1, LEASE_MS, [(it.firing, TWO)])[0] == ["ok"]
    assert gate.renew("w1", 1, LEASE_MS, [(it.firing, ONE)])[0] == ["absent"]
    assert gate.redis.keys("*leases:w1") == []


def test_an_abort_is_told_with_each_renewal_until_the_lease_ends(gate: Gate) -> None:
    it = waiter(1, 0, 0)
    gate.offer([it])
    gate.claim(it.firing, ONE, "w1", LEASE_MS)

    flagged = [gate.abort(it.firing, TWO, "aborted"), gate.abort(it.firing, ONE, "replaced")]

    told = [gate.renew("w1", 20, LEASE_MS, [(it.firing, ONE)])[0] for _ in range(2)]
    assert flagged == [False, True]
    assert told == [["abort:replaced"]] * 2


def test_a_renewal_takes_the_places_that_redis_has_thrown_away(gate: Gate) -> None:
    gate.set_cap("lane:a", 1)
    it = waiter(2, 0, 1)
    gate.offer([it])
    gate.claim(it.firing, ONE, "w1", LEASE_MS)
    gate.renew("w1", 20, LEASE_MS, [(it.firing, ONE)])
    before = taken(gate.redis)
    for key in gate.redis.scan_iter("*:used:*"):
        gate.redis.delete(key)
    gate.redis.delete("{scripts}:1:holders")
    assert {use.used for use in gate.usage().limits} == {0}

    gate.renew("w1", 20, LEASE_MS, [(it.firing, ONE)])

    assert {use.used for use in gate.usage().limits} == {1}
    assert taken(gate.redis) == before


@pytest.mark.parametrize(("late", "names"), [(LEASE_MS - 1, 0), (LEASE_MS, 0), (LEASE_MS + 1, 1)])
def test_a_lease_is_past_its_expiry_only_after_it(gate: Gate, late: int, names: int) -> None:
    gate.reserve(waiter(1, 0, 0))
    gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS)

    gate.now_ms = (gate.now_ms or 0) + late

    assert len(gate.expired(10)) == names
    assert gate.usage().limits[0].used == 1


def test_expired_names_the_oldest_first_and_no_more_than_asked(gate: Gate) -> None:
    gate.set_cap("fleet", 9)
    for number in (3, 1, 2):
        gate.reserve(waiter(number, 0, 0))
        gate.now_ms = (gate.now_ms or 0) + 1
    gate.now_ms = (gate.now_ms or 0) + START_LEASE_MS

    assert [it.firing for it in gate.expired(2)] == [waiter(3, 0, 0).firing, waiter(1, 0, 0).firing]


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_rebuild_is_refused_for_an_epoch_that_is_not_above(gate: Gate, epoch: int) -> None:
    before = taken(gate.redis)
    other = Gate(gate.redis, "scripts", START_LEASE_MS, 1, now_ms=gate.now_ms)  # which has loaded nothing so far

    told = [other.load(epoch, caps=Caps({"fleet": 99}), done=done) for done in (False, True)]

    assert told == [False, False]
    assert taken(gate.redis) == before


def test_a_rebuild_is_seen_by_nobody_before_it_is_done(gate: Gate) -> None:
    gate.offer([waiter(1, 0, 0)])

    assert gate.load(2, waiters=[waiter(2, 0, 0)], caps=Caps({"fleet": 9}))

    assert gate.states([waiter(1, 0, 0).firing, waiter(2, 0, 0).firing])[1].state == ""
    assert gate.current_epoch() == 1


def test_forgetting_what_was_before_leaves_a_rebuild_under_way_alone(gate: Gate) -> None:
    assert gate.load(3, waiters=[waiter(2, 0, 0)])
    gate.load(2, caps=Caps({"fleet": 1}), done=True)

    gate.forget_before(2)

    kept = {name.decode().split(":")[1] for name in gate.redis.scan_iter("{scripts}:[0-9]*")}
    assert kept == {"2", "3"}


def test_a_firing_is_in_the_gate_once_however_often_it_is_offered(gate: Gate) -> None:
    batch = [waiter(n, n % 3, n % 3) for n in range(1, 9)]
    gate.offer(batch)
    before = taken(gate.redis)

    assert gate.offer([*batch, *batch]) == []

    assert taken(gate.redis) == before


@pytest.mark.parametrize(("later", "told"), [(999, "WAITING"), (1000, "LEASED")])
def test_a_block_is_over_at_its_moment_also_for_who_claims_without_a_fill(gate: Gate, later: int, told: str) -> None:
    gate.stop("fleet", 1000)
    gate.offer([waiter(1, 0, 0)])

    gate.now_ms = (gate.now_ms or 0) + later

    assert gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS) == told


def test_a_cap_that_is_told_late_does_not_replace_a_newer_one(gate: Gate) -> None:
    """Two change a cap at once, and the one whose commit came first speaks last."""
    gate.set_cap("fleet", 5, version=8)
    before = taken(gate.redis)

    gate.set_cap("fleet", 1, version=7)
    gate.set_cap("fleet", None, version=7)

    assert taken(gate.redis) == before
    assert gate.set_cap("fleet", 6, version=8) == []
    assert gate.usage().limits[0].cap == 6


def test_a_cap_from_before_a_rebuild_changes_nothing_after_it(gate: Gate) -> None:
    assert gate.load(2, caps=Caps({"fleet": 3}, version=9), done=True)
    gate.epoch = 2

    gate.set_cap("lane:gone", 1, version=8)
    gate.set_cap("lane:new", 1, version=10)

    assert {it.limit for it in gate.usage().limits} == {"fleet", "lane:new"}


def test_a_part_of_a_rebuild_may_be_repeated_but_none_may_be_missing(gate: Gate) -> None:
    lost = Gate(gate.redis, gate.namespace, START_LEASE_MS)
    assert lost.load(2, waiters=[waiter(1, 0, 0)])
    lost._parts[2] = 0
    assert lost.load(2, waiters=[waiter(1, 0, 0)]), "the same part again"
    gate.redis.flushdb()

    assert not lost.load(2, waiters=[waiter(2, 0, 0)])
    assert not lost.load(2, done=True)

    assert lost.current_epoch() is None


def test_a_cap_that_is_changed_ends_the_block_of_its_limit(gate: Gate) -> None:
    gate.offer([waiter(1, 0, 0)])
    gate.claim(waiter(1, 0, 0).firing, ONE, "w1", LEASE_MS)
    assert gate.block("fleet", waiter(1, 0, 0).firing, ONE) == []

    assert [it.firing for it in gate.set_cap("fleet", 3)] == [waiter(1, 0, 0).firing]
