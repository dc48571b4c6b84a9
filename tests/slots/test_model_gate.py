"""The real scripts against the model, step by step: every answer, and every key that is left in Redis."""

import itertools
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from redis import Redis

from shared.answers import Caps, InTheWay, Reservation, Reserved, Seat, Unseeded, Waiter
from shared.gate import Gate
from tests.machines import run_machine
from tests.slots.model import Known, Model
from tests.slots.snapshot import Shot, Watched, expected, normal, split, taken, under_epoch
from tests.slots.universe import FIRINGS, LEASE_MS, LIMITS, REQUESTS, SPANS_MS, START_LEASE_MS, WORKERS

# Fewer while somebody waits; the machine gets its long nights by GATE_EXAMPLES=20000.
MANY = "1000" if os.environ.get("CI") == "true" else "400"
EXAMPLES, STEPS, PARTS = int(os.environ.get("GATE_EXAMPLES", MANY)), 30, 3
WHICH = st.integers(0, 255)
FIRING = st.sampled_from(FIRINGS)
REQUEST = st.sampled_from(REQUESTS)
WORKER = st.sampled_from(WORKERS)
numbers = itertools.count(1)
# Where the reservations stand in answers that are more than a list of them.
MADE_AT = {"renew": 1, "release_and_take": 0}


class GateMachine(RuleBasedStateMachine):
    """Calls gate and model alike; after every step both must agree on everything."""

    redis: Any

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.lowered = False
        self.takings = itertools.count(1)
        self.last: Callable[[], Any] = tuple
        self.filled = False
        self.gate = Gate(self.redis, f"world{next(numbers)}", START_LEASE_MS, 1, now_ms=self.model.now)
        assert self.gate.load(1, caps=Caps({"fleet": 3, "lane:a": 1}), done=True)
        self.model.caps, self.model.versions = {"fleet": 3, "lane:a": 1}, {"": 0}
        self.renew("w1", 3, [])

    def teardown(self) -> None:
        self.redis.flushdb()

    def both(self, name: str, *given: Any, shaped: Callable[[Any], Any] = lambda told: told) -> None:
        """Asks both; `shaped` makes the gate's answer comparable with the model's."""
        told = shaped(getattr(self.gate, name)(*given))
        made = told[MADE_AT[name]] if name in MADE_AT else told
        self.model.hints = made if isinstance(made, list) else []
        foretold = getattr(self.model, name)(*given)
        assert told == foretold, f"{name}{given}: the gate answers {told}, the model {foretold}"
        self.filled = name not in ("reserve", "claim", "abort", "seat", "stop")
        self.last = lambda: shaped(getattr(self.gate, name)(*given))

    def one_of(self, which: int, *states: str) -> Known:
        """Mostly a firing in one of these states, sometimes just any of the world."""
        apt = sorted(self.model.of(*states), key=lambda it: it.id)
        if apt and which % 8:
            return apt[which % len(apt)]
        anyone = FIRINGS[which % len(FIRINGS)]
        return self.model.known.get(anyone.firing, Known(anyone, ""))

    def request_of(self, it: Known, which: int) -> UUID:
        return UUID(it.request) if it.request and which % 5 else REQUESTS[which % 2]

    @rule(batch=st.lists(FIRING, max_size=5))
    def offer(self, batch: list[Waiter]) -> None:
        self.both("offer", batch, shaped=ids)

    @rule(facts=FIRING)
    def reserve(self, facts: Waiter) -> None:
        self.both("reserve", facts, shaped=in_the_way)

    @rule(which=WHICH, request=REQUEST, worker=WORKER)
    def claim(self, which: int, request: UUID, worker: str) -> None:
        self.both("claim", self.one_of(which, "reserved", "waiting").facts.firing, request, worker, LEASE_MS)

    @rule(worker=WORKER, capacity=st.integers(0, 4), named=st.lists(WHICH, max_size=2))
    def renew(self, worker: str, capacity: int, named: list[int]) -> None:
        found = [(self.one_of(it, "leased"), it) for it in named]
        leases = [(it.facts.firing, self.request_of(it, which)) for it, which in found]
        self.both("renew", worker, capacity, LEASE_MS, leases, shaped=lambda told: (told[0], ids(told[1])))

    @rule(which=WHICH, way=st.sampled_from(["release", "release", "put_back"]))
    def give_back(self, which: int, way: str) -> None:
        it = self.one_of(which, "leased")
        self.both(way, it.facts.firing, self.request_of(it, which), shaped=ids)

    @rule(which=WHICH, worker=WORKER)
    def give_back_and_take_the_next(self, which: int, worker: str) -> None:
        """Asked again it finds what it took: the one answer that may not be lost, for nobody else knows it."""
        it, taking = self.one_of(which, "leased"), UUID(int=10_000 + next(self.takings))
        asked = (it.facts.firing, self.request_of(it, which), taking, it.worker or worker, LEASE_MS)
        self.both("release_and_take", *asked, shaped=lambda told: (ids(told[0]), told[1]))
        taken = next((known.facts.firing for known in self.model.of("leased") if known.request == str(taking)), None)

        def again() -> None:
            made, found = self.gate.release_and_take(*asked)
            assert (ids(made)[:1], found) == ([taken] if taken else [], taken)

        self.last = again
        self.ask_again()

    @rule(limit=st.sampled_from(LIMITS), which=WHICH)
    def block(self, limit: str, which: int) -> None:
        it = self.one_of(which, "leased")
        self.both("block", limit, it.facts.firing, self.request_of(it, which), shaped=ids)

    @rule(limit=st.sampled_from(LIMITS), span=st.sampled_from([1, 1000, 30_000]))
    def stop(self, limit: str, span: int) -> None:
        self.both("stop", limit, span)

    @rule(named=st.lists(WHICH, max_size=2))
    def withdraw(self, named: list[int]) -> None:
        self.both("withdraw", [self.one_of(it, "waiting", "reserved").facts.firing for it in named], shaped=ids)

    @rule(which=WHICH, reason=st.sampled_from(["aborted", "replaced"]))
    def abort(self, which: int, reason: str) -> None:
        it = self.one_of(which, "leased")
        self.both("abort", it.facts.firing, self.request_of(it, which), reason)

    @rule(limit=st.sampled_from(LIMITS), cap=st.one_of(st.none(), st.integers(0, 3)), late=st.integers(-2, 1))
    def set_cap(self, limit: str, cap: int | None, late: int) -> None:
        """A change of a cap, told at once (a newer version), again, or after a later one."""
        if limit == "fleet" and cap is None:
            cap = 5
        self.lowered = True
        self.both("set_cap", limit, cap, max(self.model.versions.values()) + late, shaped=ids)

    @rule(which=WHICH, request=REQUEST, worker=WORKER)
    def seat(self, which: int, request: UUID, worker: str) -> None:
        self.lowered = True
        self.both("seat", [Seat(self.one_of(which).facts, request, worker, LEASE_MS)])

    @rule(span=st.sampled_from(SPANS_MS))
    def time_passes(self, span: int) -> None:
        self.model.now += span
        self.gate.now_ms = self.model.now
        self.filled = False
        self.last = tuple

    @rule()
    def rebuild(self) -> None:
        model = self.model.rebuilt()
        seats = [
            Seat(it.facts, UUID(it.request), it.worker, it.expires - model.now)
            for it in model.of("leased")
            if it.expires > model.now
        ]
        for it in [it for it in model.of("leased") if it.expires <= model.now]:
            del model.known[it.facts.firing]
        self.gate.epoch += 1
        workers = [(it, told, until - model.now) for it, (until, told) in model.workers.items()]
        waiters = [it.facts for it in model.of("waiting")]
        assert self.gate.load(self.gate.epoch, waiters=waiters)
        assert self.gate.load(
            self.gate.epoch, caps=Caps(model.caps, model.versions[""]), workers=workers, seats=seats, done=True
        )
        self.gate.forget_before(self.gate.epoch)
        self.model = model
        self.both("offer", [], shaped=ids)

    @rule(span=st.sampled_from([0, 1, 100, 1000]))
    def look(self, span: int) -> None:
        model, held = self.model, self.model.of("reserved", "leased")
        expired = {(it.facts.firing, it.state, it.request) for it in held if it.expires < model.now}
        unclaimed = {it.facts.firing for it in model.of("reserved") if it.made <= model.now - span}

        assert {(it.firing, it.state, it.request) for it in self.gate.expired(100)} == expired
        assert set(ids(self.gate.unclaimed(span, 100))) == unclaimed
        usage = self.gate.usage()
        assert {it.limit: (it.cap, it.used) for it in usage.limits} == {
            limit: (cap, len(model.used(limit))) for limit, cap in model.caps.items()
        }
        alive = sum(told for until, told in model.workers.values() if until >= model.now)
        counted = (len(model.of("waiting")), len(model.of("reserved")), alive)
        assert (usage.waiting, usage.reserved, usage.processes) == counted

    @precondition(lambda self: self.last is not tuple)
    @rule()
    def ask_again(self) -> None:
        """A repeated call changes nothing, and answers as before (or hands nothing over twice)."""
        before = taken(self.redis)
        told = self.last()

        assert taken(self.redis) == before, f"repeated, with the answer {told}"

    @rule(epoch=st.sampled_from([-1, +1]), facts=FIRING, request=REQUEST)
    def call_with_another_epoch(self, epoch: int, facts: Waiter, request: UUID) -> None:
        stale = Gate(self.redis, self.gate.namespace, START_LEASE_MS, self.gate.epoch + epoch, now_ms=self.model.now)
        for call in (
            lambda: stale.offer([facts]),
            lambda: stale.claim(facts.firing, request, "w1", LEASE_MS),
            lambda: stale.release(facts.firing, request),
        ):
            with pytest.raises(Unseeded):
                call()

    @invariant()
    def redis_holds_what_the_model_knows_and_nothing_else(self) -> None:
        exact, books = split(under_epoch(taken(self.redis), self.gate))

        assert normal(exact) == normal(expected(self.model))
        every_queue_can_be_found(exact, books, self.model)

    @invariant()
    def nobody_waits_astray(self) -> None:
        assert "astray" not in {it.state for it in self.gate.states(self.model.known)}

    @invariant()
    def the_caps_hold_and_nobody_waits_in_vain(self) -> None:
        model = self.model
        for limit, cap in model.caps.items():
            forced = sum(model.known[it].facts.forced for it in model.used(limit))
            assert self.lowered or len(model.used(limit)) <= cap + forced
        assert not (self.filled and (model.startable() or model.forced()))


def ids(made: list[Reservation]) -> list[UUID]:
    return [it.firing for it in made]


def in_the_way(told: Reserved | InTheWay) -> tuple[str, bool] | None:
    return None if isinstance(told, Reserved) else (told.limit, told.draining)


def every_queue_can_be_found(exact: Shot, books: Shot, model: Model) -> None:
    """Each queue stands with its head's place in its workspace's lanes, or is parked; none twice, none too many.

    An only lane has nobody to be compared with, and may stand with the place of a head that has gone.
    """
    shown = {
        (name[6:], lane): place for name, it in books.items() if name.startswith("lanes:") for lane, place in it.items()
    }
    parked = {(it, name[7:]) for name, them in books.items() if name.startswith("parked:") for it in them}
    heads = {(it.workspace, it.lane): it.place for it in model.heads()}

    assert not parked & shown.keys()
    assert parked | shown.keys() == heads.keys()
    lanes = Counter(workspace for workspace, _ in shown)
    assert all(heads[it] == place for it, place in shown.items() if lanes[it[0]] > 1)
    assert all(heads[it] >= place for it, place in shown.items())
    aside = {name: it for name, it in books.items() if name == "forced" or name.startswith("drained:")}
    forced = {it.id: it.place for it in model.of("waiting") if it.forced}
    assert sum(len(it) for it in aside.values()) == len(forced)
    assert {name: place for it in aside.values() for name, place in it.items()} == forced
    ready = books.get("ready", {})
    in_round_or_resting = ready.keys() | books.get("resting", set())
    assert ready.keys() <= {workspace for workspace, _ in shown} <= in_round_or_resting
    assert all(turn == model.turn_of(it) for it, turn in ready.items())


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_gate_does_what_the_model_does_whatever_comes_in_whatever_order(redis_url: str, part: int) -> None:
    """In parts, each with a seed of its own, for several processes to share the examples."""
    with Redis.from_url(redis_url) as redis, closing(Watched(redis)) as watched:
        run_machine(GateMachine, "GATE", EXAMPLES // PARTS, STEPS, redis=watched)
