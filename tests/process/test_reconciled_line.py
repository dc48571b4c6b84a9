"""A key of the gate's line that is lost, as Redis loses one where it evicts: what stood there is put in line again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.keys import gate_root
from tests.process.conftest import Fleet
from tests.process.test_reconciler import one_pass, queued, state
from tests.process.test_reconciler import station as station  # noqa: PLC0414 a fixture
from workers.station import Station

LEASE_MS = 60_000


def waits(fleet: Fleet, workspace: UUID, **over: Any) -> UUID:
    firing = queued(fleet, workspace, **over)
    fleet.admission.offer_again([firing])
    return firing


def in_a_queue(fleet: Fleet) -> UUID:
    return waits(fleet, fleet.workspace())


def behind_a_full(fleet: Fleet, limit: str) -> UUID:
    """The second of two where one has room."""
    workspace = fleet.workspace()
    fleet.admission.set_cap(limit.format(workspace=workspace), 1, "test")
    fleet.admission.ask(lambda gate: gate.renew("w", 4, LEASE_MS, []))
    first, second = (waits(fleet, workspace, lane="model") for _ in range(2))
    assert (state(fleet, first), state(fleet, second)) == ("reserved", "waiting")
    assert fleet.admission.gate.claim(first, uuid4(), "w", LEASE_MS) == "LEASED"
    return second


def behind_a_drain(fleet: Fleet) -> UUID:
    fleet.admission.set_cap("fleet", 0, "test")
    return waits(fleet, fleet.workspace(), forced=True)


def lose(fleet: Fleet, part: str) -> None:
    redis, root = fleet.admission.gate.redis, gate_root(fleet.admission.gate.namespace)
    assert redis.delete(*redis.scan_iter(match=f"{root}:*:{part}")) == 1


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ("queue:*", in_a_queue),
        ("lanes:*", in_a_queue),
        ("ready", in_a_queue),
        ("queues", in_a_queue),
        ("resting", lambda fleet: behind_a_full(fleet, "workspace:{workspace}")),
        ("parked:*", lambda fleet: behind_a_full(fleet, "lane:model")),
        ("drained:*", behind_a_drain),
    ],
)
def test_who_stood_there_is_put_in_line_again(
    fleet: Fleet, station: Station, part: str, place: Callable[[Fleet], UUID]
) -> None:
    waiting = place(fleet)
    assert one_pass(fleet, station) == {}
    lose(fleet, part)
    assert state(fleet, waiting) == "astray"
    fleet.admission.fill()

    assert one_pass(fleet, station) == {"offered_total": 1}
    assert state(fleet, waiting) == "waiting"
    assert one_pass(fleet, station) == {}
    for (limit,) in fleet.rows("select key from limits"):
        fleet.admission.set_cap(limit, 2, "test")
    fleet.admission.ask(lambda gate: gate.renew("w", 4, LEASE_MS, []))
    fleet.admission.fill()
    assert state(fleet, waiting) == "reserved"


@pytest.mark.parametrize(("part", "place"), [("queue:*", in_a_queue), ("firings", behind_a_drain)])
def test_whoever_comes_upon_what_was_lost_goes_on(
    fleet: Fleet, station: Station, part: str, place: Callable[[Fleet], UUID]
) -> None:
    """Else each call that hands slots over would fail, for everybody."""
    lost = place(fleet)
    lose(fleet, part)

    fleet.admission.set_cap("fleet", 2, "test")
    fleet.admission.ask(lambda gate: gate.renew("w", 4, LEASE_MS, []))
    other = waits(fleet, fleet.workspace("another"))
    assert state(fleet, other) == "reserved"

    assert one_pass(fleet, station) == {"offered_total": 1}
    assert state(fleet, lost) == "reserved"
