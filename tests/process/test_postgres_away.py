"""Postgres goes away, or writes nothing, in the midst of it: one line says so, and all is done later, once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from redis import Redis

from shared.celery_app import publish_firings
from shared.store import activity
from shared.store.invariants import broken
from tests import databases
from tests.process.conftest import Fleet
from tests.process.test_following import broker, in_line, statuses
from tests.store.rows import by_hand
from tests.waiting import until
from workers import claim as claiming
from workers import reconcile
from workers.chain import execute
from workers.station import Station

__all__ = ["broker"]

Away = Callable[[], Any]
Block = Callable[[psycopg.Connection, str], AbstractContextManager[None]]


@pytest.fixture
def away(fleet: Fleet, maker: psycopg.Connection) -> Away:
    """A block in which this test's database takes no connection, and has none."""
    return partial(_meanwhile, fleet, maker, databases.away)


@pytest.fixture
def read_only(fleet: Fleet, maker: psycopg.Connection) -> Away:
    """A block in which this test's database writes nothing."""
    return partial(_meanwhile, fleet, maker, databases.writes_nothing)


@contextmanager
def _meanwhile(fleet: Fleet, maker: psycopg.Connection, block: Block) -> Iterator[None]:
    """The connection that the test itself had is of no use afterwards."""
    try:
        with block(maker, fleet.database.url):
            yield
    finally:
        fleet.database.close()


@pytest.fixture(params=["away", "read_only"])
def useless(request: pytest.FixtureRequest) -> Away:
    return request.getfixturevalue(request.param)


def gate_forgets(_: Fleet, station: Station, __: UUID) -> None:
    """It must be made whole before it can say anything."""
    station.admission.gate.redis.flushdb()


def gate_never_knew(_: Fleet, station: Station, firing: UUID) -> None:
    """A late message: what Postgres calls startable is offered again."""
    station.admission.withdraw([firing])


@pytest.mark.parametrize("what", [gate_forgets, gate_never_knew])
def test_a_claim_that_needs_postgres_first_is_given_up_and_the_firing_runs_later(
    fleet: Fleet, station: Station, broker: Redis, useless: Away, what: Callable[[Fleet, Station, UUID], None]
) -> None:
    [first] = in_line(fleet, "a")
    what(fleet, station, first)
    with useless():
        assert execute(station, first, "celery-1") == "not claimed"

    runs_after_all(fleet, station, first)


def test_a_claim_of_a_past_epoch_is_made_again_under_the_one_that_stands(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = in_line(fleet, "a")
    once_refused_for_its_epoch(fleet, monkeypatch, lambda: None)

    assert execute(station, first, "celery-1") == "completed"
    assert statuses(fleet) == [("a", "completed")]
    assert not broken(fleet.database.connection())


def test_a_lease_that_cannot_be_given_back_is_not_lost(
    fleet: Fleet, station: Station, broker: Redis, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres has refused it, since it is of another epoch by now; and is away when that is to be mended."""
    [first] = in_line(fleet, "a")
    with ExitStack() as stack:
        once_refused_for_its_epoch(fleet, monkeypatch, lambda: stack.enter_context(away()))
        assert execute(station, first, "celery-1") == "not claimed"

    runs_after_all(fleet, station, first)


def once_refused_for_its_epoch(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, afterwards: Callable[[], object]) -> None:
    really = claiming._claim_in_postgres

    def refuses(*given: Any) -> Any:
        monkeypatch.setattr(claiming, "_claim_in_postgres", really)
        fleet.database.connection().execute("update epoch set number = number + 1")
        answer = really(*given)
        afterwards()
        return answer

    monkeypatch.setattr(claiming, "_claim_in_postgres", refuses)


def runs_after_all(fleet: Fleet, station: Station, firing: UUID) -> None:
    """After a pass of the reconciler, when the gate's short lease or promise is over."""
    station.settings = replace(station.settings, reconcile_every_s=0.001)
    station.admission.gate.now_ms = 1000 * int(fleet.rows("select extract(epoch from now()) + 20")[0][0])
    reconcile.sweep(station)
    station.admission.gate.now_ms = None
    assert execute(station, firing, "celery-2") == "completed"
    assert statuses(fleet) == [("a", "completed")]
    assert fleet.rows("select count(*) from attempts") == [(1,)]
    assert not broken(fleet.database.connection())


def test_a_process_that_is_new_while_postgres_is_away_says_so_in_a_line(
    fleet: Fleet, broker: Redis, away: Away
) -> None:
    """Its first message finds it without a connection, and a later one with one."""
    [first] = in_line(fleet, "a")
    worker = fleet.worker()
    fleet.ended()
    with away():
        for child in (it for it in worker.tree() if it.parent == worker.pid):
            os.kill(child.pid, signal.SIGKILL)
        publish_firings(fleet.admission.app, [(str(first), "a")])
        until(lambda: "task.failed" in worker.text)
    fleet.admission.run_now(by_hand(fleet.workspace("there")), activity.Deed("run", "test", {}), queue=True)

    assert [it[1] for it in fleet.ended(2)] == ["completed", "completed"]
    assert "Traceback" not in worker.text


def test_what_runs_while_postgres_writes_nothing_is_kept_and_written_when_it_does(
    fleet: Fleet, read_only: Away, tmp_path: Path
) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    turn = """echo '{"type": "turn"}'"""
    says = f"{turn}; touch '{begun}'; until [ -e '{done}' ]; do echo more; sleep 0.1; done; {turn}"
    target = {"kind": "command", "argv": ["sh", "-c", says]}
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "20"
    worker = fleet.worker()
    fleet.admission.run_now(by_hand(fleet.workspace(), target=target), activity.Deed("run", "test", {}), queue=True)
    until(begun.exists)

    with read_only():
        until(lambda: worker.text.count("events.kept_back") > 2 or "run.failed" in worker.text)
        done.touch()
        until(lambda: worker.text.count("settle.no_answer") > 1 or "Traceback" in worker.text)
    assert [it[1] for it in fleet.ended()] == ["completed"]
    assert fleet.rows("select turns from firings") == [(2,)]
    assert fleet.rows("select count(*) from attempts") == [(1,)]
    assert "Traceback" not in worker.text
