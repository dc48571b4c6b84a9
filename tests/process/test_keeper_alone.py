"""The keeper without Celery: its thread, real rows and a real gate, and lines that speak as guards do."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared import pulse
from shared.celery_app import close_app, make_app
from shared.clock import boottime
from shared.store import attempts, processes
from tests.proc import is_alive
from tests.process.conftest import Fleet
from tests.process.test_reaper import running
from tests.waiting import until
from workers import wards
from workers.identity import this_worker
from workers.keeper import Keeper
from workers.station import Station
from workers.wards import peer

LEASE_S, MARGIN_S = 600.0, 10.0
SILENT = """
import json, socket, subprocess, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
line.connect("\\0" + sys.argv[1][1:])
payload = subprocess.Popen(["sleep", "1000"])
about = {"firing": sys.argv[3], "request": sys.argv[4]}
line.sendall(json.dumps({"token": int(sys.argv[2]), "pid": 0, "about": about}).encode() + b"\\n")
print(payload.pid, flush=True)
sys.stdin.read()
"""


class Line(threading.Thread):
    """A guard's end of its line: it has said whose payload it guards, answers, and keeps what it is told."""

    def __init__(self, fleet: Fleet, station: Station, token: int) -> None:
        super().__init__(daemon=True)
        [(self.firing, self.request)] = fleet.rows("select firing_id, request_id from attempts where token = %s", token)
        self.told: list[dict[str, Any]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect("\0" + station.worker.keeper[1:])
        about = {"firing": str(self.firing), "request": str(self.request)}
        self._say({"token": token, "pid": 0, "about": about, "deadline": boottime() + LEASE_S - MARGIN_S})
        self.start()

    def _say(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def run(self) -> None:
        with self._socket.makefile("rb") as lines, suppress(OSError):
            for message in map(json.loads, lines):
                self.told.append(message)
                if "ping" in message:
                    self._say({"pong": message["ping"]})

    def heard(self, key: str) -> list[Any]:
        return [message[key] for message in self.told if key in message]

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self._socket.close()


class Shift:
    """A keeper at work, and the lines to it."""

    def __init__(self, fleet: Fleet, station: Station) -> None:
        self.fleet, self.station = fleet, station
        self.keeper = Keeper(station, capacity=lambda: 7)
        self.keeper.start()
        self._lines: list[Line] = []

    def line(self, token: int) -> Line:
        made = Line(self.fleet, self.station, token)
        self._lines.append(made)
        return made

    def hears(self, line: Line, key: str) -> Any:
        """Renewals again and again, until this line was told such a thing; the last one told."""

        def told() -> list[Any]:
            self.station.tell_keeper(b"renew now")
            return line.heard(key)

        return until(told)[-1]

    def capacity(self) -> int:
        return self.fleet.admission.ask(lambda gate: gate.usage()).processes

    def end(self) -> None:
        self.keeper.stop()
        for line in self._lines:
            line.close()


@pytest.fixture
def station(fleet: Fleet) -> Iterator[Station]:
    """Its leases are long: what a test sees renewed was renewed because it asked."""
    app = make_app("keeper")
    made = Station(app, this_worker("keeper@test"))
    settings = replace(made.settings, lease_seconds=LEASE_S, shutdown_grace_s=0.0)
    made.settings, made.refresh = settings, lambda: settings
    yield made
    made.close()
    close_app(app)


@pytest.fixture
def shift(fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shift]:
    # The other end of a line is a guard, and a silent one is killed: that must not be this process.
    monkeypatch.setattr(wards, "peer", lambda line: (0 if peer(line)[0] == os.getpid() else peer(line)[0], os.getuid()))
    working = Shift(fleet, station)
    yield working
    working.end()


def two_running(shift: Shift) -> tuple[Line, Line]:
    return shift.line(running(shift.fleet, "one")), shift.line(running(shift.fleet, "two"))


def heartbeat_left_s(fleet: Fleet, firing: UUID) -> float:
    query = "select extract(epoch from heartbeat_expires_at - now())::float8 from attempts where firing_id = %s"
    return fleet.rows(query, firing)[0][0]


def test_only_an_answer_of_postgres_that_knows_the_token_moves_a_deadline(fleet: Fleet, shift: Shift) -> None:
    kept, lost = two_running(shift)
    fleet.rows("update attempts set heartbeat_expires_at = now() + interval '1 second', dead_ticks = 1 returning 1")
    fleet.database.connection().execute(
        "with gone as (update attempts set ended_at = now(), outcome = 'failed' where firing_id = %s returning 1)"
        " update firings set status = 'failed', failure_reason = 'worker_lost', finished_at = now() where id = %s",
        [lost.firing, lost.firing],
    )

    before = boottime()
    deadline = shift.hears(kept, "deadline")
    latest = boottime()

    assert before + LEASE_S - MARGIN_S <= deadline <= latest + LEASE_S - MARGIN_S
    assert heartbeat_left_s(fleet, kept.firing) > LEASE_S / 2
    assert fleet.rows("select dead_ticks from attempts where firing_id = %s", kept.firing) == [(0,)]
    assert shift.hears(lost, "kill") == "fenced"
    assert not lost.heard("deadline")
    assert not kept.heard("kill")


def test_a_renewal_brings_back_that_somebody_wants_it_ended(fleet: Fleet, shift: Shift) -> None:
    wanted, other = two_running(shift)
    attempts.request_abort(fleet.database.connection(), wanted.firing, "cancelled")

    assert shift.hears(wanted, "abort") == "cancelled"
    assert shift.hears(other, "deadline")
    assert not other.heard("abort")


def test_the_gate_alone_can_tell_that_somebody_wants_it_ended(fleet: Fleet, shift: Shift) -> None:
    wanted, other = two_running(shift)
    fleet.admission.ask(lambda gate: gate.abort(wanted.firing, wanted.request, "replaced"))

    assert shift.hears(wanted, "abort") == "replaced"
    assert shift.hears(other, "deadline")
    assert not other.heard("abort")


def test_an_abort_reaches_the_one_guard_of_its_firing_at_once(shift: Shift) -> None:
    wanted, other = two_running(shift)
    shift.hears(wanted, "deadline")
    shift.hears(other, "deadline")

    is_here = shift.keeper.abort(wanted.firing, "cancelled")

    until(lambda: wanted.heard("abort") == ["cancelled"])
    assert is_here
    assert not shift.keeper.abort(UUID(int=1), "cancelled")
    assert not other.heard("abort")


def test_what_the_gate_forgot_is_told_to_it_again(fleet: Fleet, shift: Shift) -> None:
    here, elsewhere = two_running(shift)
    gone = fleet.admission.gate
    for line in (here, elsewhere):
        gone.release(line.firing, line.request)

    shift.hears(here, "deadline")
    shift.hears(elsewhere, "deadline")

    until(lambda: [it.state for it in gone.states([here.firing, elsewhere.firing])] == ["leased", "leased"])


def test_a_guard_that_does_not_answer_is_ended_with_its_payload_and_not_renewed(
    fleet: Fleet, shift: Shift, station: Station
) -> None:
    token = running(fleet)
    [(firing, request)] = fleet.rows("select firing_id, request_id from attempts")
    argv = [sys.executable, "-c", SILENT, station.worker.keeper, str(token), str(firing), str(request)]
    guard = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guard.stdout is not None
    payload = int(guard.stdout.readline())
    fleet.rows("update attempts set heartbeat_expires_at = now() + interval '30 seconds' returning 1")

    def ended() -> bool:
        station.tell_keeper(b"renew now")
        return guard.poll() is not None

    until(ended)
    guard.communicate()
    until(lambda: not is_alive(payload))
    assert heartbeat_left_s(fleet, firing) < LEASE_S / 2


def test_a_keeper_signs_while_it_works_and_takes_itself_off_when_it_leaves(
    fleet: Fleet, shift: Shift, station: Station
) -> None:
    until(lambda: shift.capacity() == 7)
    [known] = [it for it in processes.listing(fleet.database.connection()) if it.id == station.worker.id]
    assert (known.kind, known.capacity) == ("worker", 7)

    shift.keeper.stop()

    assert shift.capacity() == 0
    assert station.worker.id not in {it.id for it in processes.listing(fleet.database.connection())}


def test_how_late_a_keeper_comes_round_is_told_with_its_renewals(
    fleet: Fleet, shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = wards.Wards.hear

    def late(of: wards.Wards, timeout_s: float) -> None:
        really(of, timeout_s)
        time.sleep(0.3)

    settings = replace(shift.station.settings, lease_seconds=0.5)
    shift.station.refresh = lambda: settings
    monkeypatch.setattr(wards.Wards, "hear", late)
    shift.station.tell_keeper(b"renew now")

    lag_ms = "select (facts ->> 'lag_ms')::float8 from processes where (facts ->> 'lag_ms')::float8 > 100"
    assert until(lambda: fleet.rows(lag_ms))


def test_a_long_lease_makes_no_sign_of_life_late(shift: Shift, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else who watches over the process would end a worker that has nothing to renew yet, and with it what runs."""
    sign = tmp_path / "pulse"
    monkeypatch.setattr(pulse, "TOUCH_EVERY_S", 0.1)
    monkeypatch.setenv("SLOTBEAT_PULSE_FILE", str(sign))
    shift.station.tell_keeper(b"renew now")
    until(sign.exists)

    sign.unlink()
    until(sign.exists)
