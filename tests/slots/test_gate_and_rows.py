"""Gate and rows together: what survives when the gate forgets in the middle of a claim (SLT-1, SLT-5)."""

import threading
from typing import Any
from uuid import uuid4

import pytest

from shared.admission import seat
from shared.answers import Full, Unseeded
from shared.gate import Gate
from shared.settings import Settings
from shared.store import firings, limits, running
from shared.store.attempts import Attempt, Refused
from shared.store.connection import Database
from shared.store.invariants import broken
from tests.slots.both import LEASE_MS, Both
from tests.waiting import until
from workers.outcome import Outcome
from workers.seating import seat_again
from workers.settle import Company, settle


def test_five_at_once_under_a_cap_of_two_run_in_line_order(both: Both) -> None:
    line = [both.offered() for _ in range(5)]
    order: list[int] = []

    while waiting := [it for it, state in zip(line, both.states(*line), strict=True) if state]:
        reserved = [it for it in waiting if both.states(it) == ["reserved"]]
        assert len(reserved) <= 2
        claimed = [both.claim(it) for it in reserved]
        order += [line.index(it.firing_id) for it in claimed]
        assert both.rows.slots("fleet")[1] == len(claimed)
        assert all(both.settle(it) for it in claimed)

    assert order == [0, 1, 2, 3, 4]
    assert both.agree()
    assert not broken(both.rows.sql)


@pytest.mark.parametrize("flushed_before", ["gate", "rows", "second", "settle", "release"])
def test_a_gate_that_forgets_at_any_step_of_a_claim_lets_no_more_run_than_the_cap(
    both: Both, flushed_before: str
) -> None:
    both.admission.set_cap("fleet", 1, "me")
    first, second = both.offered(), both.offered()
    request, flush = uuid4(), both.admission.gate.redis.flushdb
    steps = {
        "gate": lambda: both.gate_claims(first, request),
        "rows": lambda: both.rows.claim(first, request, both.admission.gate.epoch),
        "second": lambda: both.claim(second),
        "settle": lambda: both.rows.one("select count(*) from firings where status = 'running'"),
        "release": lambda: both.admission.ask(lambda gate: gate.release(first, request)),
    }

    for name, step in steps.items():
        if name == flushed_before:
            flush()
        step()

        assert both.rows.one("select count(*) from firings where status = 'running'") <= 1
        assert not broken(both.rows.sql)


def test_a_claim_of_before_a_rebuild_cannot_commit_after_it(both: Both) -> None:
    both.admission.set_cap("fleet", 1, "me")
    first, second = both.offered(), both.offered()
    request, believed = uuid4(), both.admission.gate.epoch
    assert both.gate_claims(first, request) == "LEASED"

    both.admission.gate.redis.flushdb()
    both.admission.make_whole()
    both.worker_signs()
    late = both.rows.claim(first, request, believed)
    then = [both.claim(first), both.claim(second)]

    assert late == Refused("stale", None)
    assert isinstance(then[0], Attempt)
    assert then[1] == "WAITING"
    assert both.agree()


def test_slot_rows_say_no_where_a_gate_lets_too_many_in(both: Both) -> None:
    both.admission.set_cap("fleet", 1, "me")
    first, second = both.offered(), both.offered()
    running_one = both.claim(first)
    assert isinstance(running_one, Attempt)
    both.admission.gate.set_cap("fleet", 5)

    answer = both.claim(second)

    assert answer == Refused("full", "fleet")
    assert not broken(both.rows.sql)


def test_a_firing_that_runs_keeps_its_slot_in_a_rebuilt_gate(both: Both) -> None:
    first, waiting = both.offered(), [both.offered() for _ in range(3)]
    attempt = both.claim(first)

    both.admission.gate.redis.flushdb()
    both.worker_signs()

    assert both.states(first) == ["leased"]
    assert both.states(*waiting) == ["reserved", "waiting", "waiting"]
    assert both.settle(attempt)
    assert both.states(first, *waiting) == ["", "reserved", "reserved", "waiting"]


def test_a_run_now_that_finds_no_room_leaves_nothing_behind(both: Both) -> None:
    assert [both.run_now(), both.run_now()] == [None, None]

    told = both.run_now()

    assert told == Full("fleet", False)
    assert both.rows.one("select count(*) from firings") == 2
    assert len(list(both.admission.gate.members())) == 2


def test_a_forced_run_goes_past_a_full_cap_and_counts_while_it_runs(both: Both) -> None:
    both.admission.set_cap("fleet", 1, "me")
    running_one = both.claim(both.offered())
    assert both.run_now(forced=True) is None
    forced = both.claim(both.rows.one("select id from firings where forced"))

    over = both.rows.slots("fleet")
    waiting = both.offered()
    both.settle(running_one)
    still = both.states(waiting)
    both.settle(forced)

    assert over == (2, 2, 1, 0)
    assert still == ["waiting"]
    assert both.states(waiting) == ["reserved"]
    assert not broken(both.rows.sql)


def test_a_cap_of_zero_drains_and_raising_it_fills_at_once(both: Both) -> None:
    both.admission.set_cap("fleet", 0, "me")
    line = [both.offered() for _ in range(3)]
    assert both.run_now(forced=True) == Full("fleet", True)
    assert both.states(*line) == ["waiting"] * 3

    both.admission.set_cap("fleet", 2, "me")

    assert both.states(*line) == ["reserved", "reserved", "waiting"]


def test_what_the_gate_forgot_is_seated_once(both: Both) -> None:
    first = both.offered()
    attempt = both.claim(first)
    both.admission.ask(lambda gate: gate.release(first, attempt.request_id))

    seated = seat_again(both.admission, running.running(both.rows.sql))
    again = both.admission.ask(lambda gate: gate.seat([seat(it) for it in seated]))

    assert ([it.line.id for it in seated], again) == ([first], 0)
    assert both.states(first) == ["leased"]
    assert both.agree()


def test_an_end_that_begins_while_it_is_seated_gives_back_the_seat(
    both: Both, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settle waits for who seats: the gate would count what has ended until somebody compares."""
    attempt = both.claim(both.offered())
    gate = both.admission.gate
    gate.release(attempt.firing_id, attempt.request_id)
    really, own, pids = gate.seat, Database(database_url), list[int]()

    def end() -> None:
        pids.append(own.connection().info.backend_pid)
        company = Company(sure=lambda: gate.release(attempt.firing_id, attempt.request_id))
        settle(own, attempt.token, Outcome(None), Settings(), company=company)
        own.close()

    ending = threading.Thread(target=end)

    def seat_meanwhile(seats: Any) -> int:
        ending.start()
        waits = "select count(*) from pg_locks where not granted and pid = %s"
        until(lambda: pids and both.rows.one(waits, pids[0]))
        return really(seats)

    monkeypatch.setattr(gate, "seat", seat_meanwhile)
    seated = seat_again(both.admission, running.running(both.rows.sql))
    ending.join()

    assert len(seated) == 1
    assert both.states(attempt.firing_id) == [""]
    assert both.agree()


def test_a_cancelled_waiter_leaves_line_and_rows(both: Both) -> None:
    line = [both.offered() for _ in range(3)]

    with both.rows.sql.transaction():
        told = firings.cancel_queued(both.rows.sql, line[0], "cancelled")
    both.admission.withdraw([line[0]])

    assert told
    assert both.states(*line) == ["", "reserved", "reserved"]
    assert not broken(both.rows.sql)


def test_a_caller_with_an_old_epoch_changes_nothing_and_is_healed(both: Both) -> None:
    firing = both.offered()
    gate = both.admission.gate
    stale = Gate(gate.redis, gate.namespace, gate.start_lease_ms, gate.epoch - 1)

    with pytest.raises(Unseeded):
        stale.claim(firing, uuid4(), "w1", LEASE_MS)
    gate.epoch -= 1

    assert isinstance(both.claim(firing), Attempt)


def test_of_two_who_change_a_cap_at_once_the_gate_believes_the_later_one(both: Both) -> None:
    """The first is slow between its commit and its word to the gate."""
    gate, versions = both.admission.gate, []
    for cap in (5, 3):
        both.rows.cap("fleet", cap)
        versions.append(limits.caps_now(both.rows.sql)[1])

    gate.set_cap("fleet", 3, versions[1])
    gate.set_cap("fleet", 5, versions[0])

    assert versions[0] < versions[1]
    assert {it.limit: it.cap for it in gate.usage().limits} == limits.caps(both.rows.sql) == {"fleet": 3}


def test_a_forced_run_asked_for_in_a_drain_starts_as_forced_when_the_drain_ends(both: Both) -> None:
    """SLT-9, MAN-2: also after the gate forgot everything meanwhile."""
    running_two = [both.claim(both.offered()) for _ in range(2)]
    both.admission.set_cap("fleet", 0, "me")
    assert both.run_now(forced=True, queue=True) is None
    both.admission.gate.redis.flushdb()
    both.worker_signs()
    forced = both.rows.one("select id from firings where forced")
    assert both.states(forced) == ["waiting"]

    both.admission.set_cap("fleet", 1, "me")

    assert isinstance(both.claim(forced), Attempt)
    assert all(isinstance(it, Attempt) for it in running_two)
    assert not broken(both.rows.sql)
