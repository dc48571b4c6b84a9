"""The keeper of a real worker: what it renews, and what must not disturb it."""

import os
import socket
from functools import partial
from pathlib import Path

import pytest

from shared.store import processes, settings
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import is_gone, running_payload, witness
from tests.waiting import until
from workers.keeper import Keeper
from workers.station import Station


def expiries(fleet: Fleet) -> int:
    [(count,)] = fleet.rows("select extract(epoch from heartbeat_expires_at) * 1000 from attempts")
    return int(count)


def test_a_payload_runs_on_for_many_leases_while_its_keeper_renews(fleet: Fleet, tmp_path: Path) -> None:
    fleet.schedule(fleet.workspace(), "long", witness(tmp_path / "pid"), max_run_seconds=100)
    fleet.worker()
    fleet.beat()
    payload = running_payload(fleet, tmp_path / "pid")
    first = expiries(fleet)

    until(lambda: expiries(fleet) > first + 3000)

    assert not is_gone(payload)
    assert fleet.rows("select count(*), max(dead_ticks) from attempts") == [(1, 0)]


def test_a_payload_outlives_a_lease_that_was_made_shorter_before_it_began(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CFG-2: its keeper has paused for a quarter of the former one, and is told of a deadline that comes before."""
    del fleet.environment["SLOTBEAT_LEASE_SECONDS"]
    monkeypatch.delenv("SLOTBEAT_LEASE_SECONDS")
    put = partial(settings.store, fleet.database.connection(), "lease_seconds", by="me")
    put("400")
    fleet.schedule(fleet.workspace(), "long", witness(tmp_path / "pid"), max_run_seconds=100)
    worker = fleet.worker("w1", "-Q", "firings")  # no sweep of its own finds that its keeper is silent
    until(lambda: fleet.admission.ask(lambda gate: gate.usage()).processes)  # the last that it tells in a round
    put("1.5")
    until(lambda: fleet.rows("select now() > updated_at + interval '4 s' from settings") == [(True,)])  # all have it
    fleet.beat()
    payload = running_payload(fleet, tmp_path / "pid")
    assert fleet.rows("select lease_ms from attempts") == [(1500,)]
    first = expiries(fleet)

    until(lambda: expiries(fleet) > first + 3000)

    assert not is_gone(payload)
    assert worker.running


def test_nonsense_on_the_keepers_socket_disturbs_nobody(fleet: Fleet, tmp_path: Path) -> None:
    """Any process of this user may call; a line that is no message ends that call and nothing else."""
    fleet.schedule(fleet.workspace(), "long", witness(tmp_path / "pid"), max_run_seconds=100)
    fleet.worker()
    fleet.beat()
    payload = running_payload(fleet, tmp_path / "pid")
    [(address,)] = fleet.rows("select worker ->> 'keeper' from attempts")

    for nonsense in (b"{bad\n", b'{"token": "x", "about": {}}\n', b'{"pong": "x"}\n', b"\xff\xfe\n", b"{}" * 40_000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect("\0" + address[1:])
            line.sendall(nonsense)
    first = expiries(fleet)
    until(lambda: expiries(fleet) > first + 2000)

    assert not is_gone(payload)
    assert os.getpgid(payload) != os.getpgid(0)


def test_an_error_that_nobody_foresaw_ends_no_keeper(fleet: Fleet, station: Station) -> None:
    """Whatever raised it, the leases of all that runs here are renewed by this thread alone."""
    rounds: list[int] = []

    def capacity() -> int:
        rounds.append(1)
        if len(rounds) < 3:
            raise ValueError("a pool that is being made anew")
        return 7

    keeper = Keeper(station, capacity)
    keeper.start()
    try:
        until(lambda: fleet.rows("select capacity from processes where kind = 'worker'") == [(7,)])
    finally:
        keeper.stop()


def test_an_error_in_what_somebody_asked_for_ends_no_keeper(fleet: Fleet, station: Station) -> None:
    def wrong() -> None:
        raise ValueError("what was asked for")

    keeper = Keeper(station, lambda: 7)
    keeper._aside(wrong)
    keeper.start()
    try:
        until(lambda: not keeper._asides)
        fleet.rows("update processes set capacity = 1 returning 1")
        until(lambda: station.tell_keeper(b"renew now") or fleet.rows("select capacity from processes") == [(7,)])
    finally:
        keeper.stop()


def test_workers_and_beats_tell_the_time_of_their_hosts(fleet: Fleet) -> None:
    fleet.worker()
    fleet.beat()

    def told() -> dict[str, float | None]:
        return {it.kind: it.clock_ahead_s for it in processes.listing(fleet.database.connection())}

    found = until(lambda: told() if len(told()) == 2 else None)

    # All of it is on this machine.
    assert all(it is not None and abs(it) < 60 for it in found.values()), found
