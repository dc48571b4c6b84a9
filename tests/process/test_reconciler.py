"""Redis held against Postgres: each kind of difference, made on purpose, is healed in one pass."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.answers import Waiter
from shared.celery_app import RECONCILE, close_app, make_app
from shared.settings import Settings
from shared.store import activity, cadence, firings, processes
from tests.process.conftest import Fleet
from tests.process.test_reaper import running
from tests.store.rows import by_hand
from workers import reconcile
from workers.identity import this_worker
from workers.outcome import Outcome
from workers.settle import settle
from workers.station import Station


@pytest.fixture
def station(fleet: Fleet) -> Iterator[Station]:
    app = make_app("reconciler")
    made = Station(app, this_worker("reconciler@test"))
    made.settings = Settings(reconcile_every_s=0.001)
    fleet.admission.fill()
    made.refresh = lambda: made.settings
    yield made
    made.close()
    close_app(app)


def one_pass(fleet: Fleet, station: Station) -> dict[str, int]:
    fleet.database.connection().execute("update cadence set ran_at = ran_at - interval '1 hour'")
    return reconcile.sweep(station)


def state(fleet: Fleet, firing: UUID) -> str:
    return fleet.admission.ask(lambda gate: gate.states([firing]))[0].state


def queued(fleet: Fleet, workspace: UUID | None = None, **over: Any) -> UUID:
    firing = by_hand(workspace or fleet.workspace(str(uuid4())), **over)
    connection = fleet.database.connection()
    firings.add_by_hand(connection, firing, firings.next_line_no(connection))
    return firing.id


def test_a_healthy_system_needs_no_healing(fleet: Fleet, station: Station) -> None:
    running(fleet)
    fleet.admission.offer_again([queued(fleet)])

    assert one_pass(fleet, station) == {}


def test_a_queued_firing_that_redis_never_heard_of_is_offered(fleet: Fleet, station: Station) -> None:
    firing = queued(fleet)

    assert one_pass(fleet, station) == {"offered_total": 1}
    assert state(fleet, firing) == "waiting"
    assert one_pass(fleet, station) == {}


def test_a_running_firing_that_redis_forgot_is_seated(fleet: Fleet, station: Station) -> None:
    running(fleet)
    [(firing, request)] = fleet.rows("select firing_id, request_id from attempts")
    fleet.admission.gate.release(firing, request)

    assert one_pass(fleet, station) == {"seated_total": 1}
    assert state(fleet, firing) == "leased"


def test_a_running_firing_that_is_leased_to_another_request_is_seated_under_its_own(
    fleet: Fleet, station: Station
) -> None:
    running(fleet)
    [(firing, request)] = fleet.rows("select firing_id, request_id from attempts")
    gate = fleet.admission.gate
    gate.release(firing, request)
    gate.offer([_waiter(by_hand(fleet.workspace("elsewhere")))._replace(firing=firing)])
    assert gate.claim(firing, uuid4(), "w", 60_000) == "LEASED"

    assert one_pass(fleet, station) == {"seated_total": 1}
    assert gate.states([firing])[0].request == str(request)


def test_what_postgres_does_not_know_leaves_the_gate(fleet: Fleet, station: Station) -> None:
    """A lease that nobody has, and a waiter that was never written."""
    workspace = fleet.workspace()
    stranger = by_hand(workspace)
    [waiter] = [_waiter(by_hand(workspace))]
    fleet.admission.ask(lambda gate: gate.offer([waiter, _waiter(stranger)]))
    fleet.admission.gate.claim(stranger.id, uuid4(), "w", 60_000)

    assert one_pass(fleet, station) == {"released_total": 1, "withdrawn_total": 1}
    assert (state(fleet, stranger.id), state(fleet, waiter.firing)) == ("", "")


def test_a_reservation_without_a_row_is_left_to_its_run_now_for_five_seconds(fleet: Fleet, station: Station) -> None:
    firing = _waiter(by_hand(fleet.workspace()))
    fleet.admission.ask(lambda gate: gate.reserve(firing))
    assert one_pass(fleet, station) == {}
    assert state(fleet, firing.firing) == "reserved"

    gate = station.admission.gate
    gate.now_ms = 1000 * int(fleet.rows("select extract(epoch from now()) + 6")[0][0])

    assert one_pass(fleet, station) == {"withdrawn_total": 1}


def test_a_reservation_of_what_has_ended_goes_at_once(fleet: Fleet, station: Station) -> None:
    firing = by_hand(fleet.workspace())
    fleet.admission.ask(lambda gate: gate.reserve(_waiter(firing)))
    connection = fleet.database.connection()
    firings.add_by_hand(connection, firing, firings.next_line_no(connection))
    assert firings.cancel_queued(connection, firing.id, "cancelled")

    assert one_pass(fleet, station) == {"withdrawn_total": 1}
    assert state(fleet, firing.id) == ""


def test_a_claim_that_never_reached_postgres_goes_back_in_line(fleet: Fleet, station: Station) -> None:
    firing = queued(fleet)
    fleet.admission.offer_again([firing])
    fleet.admission.ask(lambda gate: gate.claim(firing, uuid4(), "dead", 1))

    assert one_pass(fleet, station) == {"claim_lost_total": 1}
    assert state(fleet, firing) == "waiting"


def untold(fleet: Fleet, backoff_s: int) -> UUID:
    """A firing that is queued again, whose gate has not heard that its attempt ended; it would wait for ten minutes."""
    attempt = fleet.claimed(fleet.workspace(), max_attempts=3, retry_backoff_s=backoff_s)
    fleet.admission.ask(lambda gate: gate.renew("w", 9, 600_000, [(attempt.firing_id, attempt.request_id)]))
    assert settle(fleet.database, attempt.token, Outcome("timeout"), Settings()).status == "queued"
    assert state(fleet, attempt.firing_id) == "leased"
    return attempt.firing_id


def test_a_lease_whose_attempt_has_ended_goes_although_its_firing_is_queued_again(
    fleet: Fleet, station: Station
) -> None:
    firing = untold(fleet, backoff_s=0)

    assert one_pass(fleet, station) == {"released_total": 1, "offered_total": 1}
    assert state(fleet, firing) == "reserved"


def test_a_firing_that_waits_for_its_next_try_holds_no_slot_in_the_gate(fleet: Fleet, station: Station) -> None:
    firing = untold(fleet, backoff_s=300)

    assert one_pass(fleet, station) == {"released_total": 1}
    assert state(fleet, firing) == ""


def test_a_claim_that_is_on_its_way_to_postgres_keeps_its_lease(fleet: Fleet, station: Station) -> None:
    """Also where an attempt of the same firing has ended before."""
    firing = untold(fleet, backoff_s=0)
    one_pass(fleet, station)
    assert fleet.admission.ask(lambda gate: gate.claim(firing, uuid4(), "w", 60_000)) == "LEASED"

    assert one_pass(fleet, station) == {}
    assert state(fleet, firing) == "leased"


def test_a_cap_that_redis_has_wrong_is_told_again(fleet: Fleet, station: Station) -> None:
    fleet.admission.set_cap("lane:model", 3, "test")
    fleet.admission.ask(lambda gate: gate.set_cap("lane:model", 30))

    assert one_pass(fleet, station) == {"caps_total": 1}
    caps = {it.limit: it.cap for it in fleet.admission.ask(lambda gate: gate.usage()).limits}
    assert caps == {"fleet": 2, "lane:model": 3}


def test_a_difference_that_outlives_its_healing_is_drift(fleet: Fleet, station: Station) -> None:
    firing = queued(fleet)
    one_pass(fleet, station)
    fleet.admission.withdraw([firing])

    assert one_pass(fleet, station) == {"offered_total": 1, "drift_total": 1}
    [last] = [it for it in cadence.passes(fleet.database.connection()) if it.name == RECONCILE]
    assert last.counts["drift"] == 1


def test_a_cap_that_somebody_else_writes_again_and_again_is_drift_too(fleet: Fleet, station: Station) -> None:
    for told in ({"caps_total": 1}, {"caps_total": 1, "drift_total": 1}):
        fleet.admission.ask(lambda gate: gate.set_cap("fleet", 30))
        assert one_pass(fleet, station) == told


def test_admission_stops_under_the_one_limit_that_more_execute_under_than_may(fleet: Fleet, station: Station) -> None:
    """Rows that should be impossible: the triggers are off for the moment that makes them."""
    for _ in range(2):
        running(fleet)
    with fleet.database.transaction() as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute("update limits set cap = 1 where key = 'fleet'")

    assert one_pass(fleet, station)["stopped_total"] == 1
    waiting = by_hand(fleet.workspace("other"))
    answer = fleet.admission.run_now(waiting, activity.Deed("run", "me", {}), queue=False)
    assert answer is not None
    assert answer.limit == "fleet"
    assert fleet.rows("select count(*) from alerts where kind = 'cap_exceeded'") == [(1,)]


def _waiter(firing: firings.ByHand) -> Waiter:
    return Waiter(firing.id, firing.workspace_id, None, 1, 5, forced=False, title="a stranger")


def test_a_process_that_has_been_silent_for_long_is_forgotten(fleet: Fleet, station: Station) -> None:
    connection = fleet.database.connection()
    about = {"kind": "worker", "node": "n", "boot_id": "b", "pid": 1, "pid_start": 1, "capacity": 1}
    for name in ("speaks", "silent"):
        processes.sign(connection, {"id": name, **about})
    connection.execute("update processes set seen_at = now() - interval '16 minutes' where id = 'silent'")

    one_pass(fleet, station)

    assert [it.id for it in processes.listing(connection)] == ["speaks"]
