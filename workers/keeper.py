"""The part of a worker that renews its leases, and stops what lost one."""

import json
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.clock import boottime, monotonic
from shared.events import event, trouble
from shared.store import attempts, firings, processes
from workers import tree
from workers.station import Station

# A guard that does not answer for so long is stopped or dead, and so is everybody's knowledge of its payload.
ANSWER_WITHIN_S = 2.0
AFTER_TROUBLE_S = 0.5


@dataclass
class Ward:
    """A guard that has told the keeper of its payload."""

    line: socket.socket
    token: int = 0
    guard_pid: int = 0
    firing: UUID | None = None
    request: UUID | None = None
    asked: int = 0
    answered: int = 0
    rest: bytes = field(default=b"", repr=False)


class Keeper(threading.Thread):
    """One thread: hears guards, renews every quarter of the lease, tells the gate of this worker's room.

    Only an answer from Postgres that still knows the token moves a guard's deadline. Redis neither extends
    nor kills: what it has forgotten it is told again.
    """

    def __init__(self, station: Station, capacity: Callable[[], int]) -> None:
        super().__init__(name="slotbeat-keeper", daemon=True)
        self._station = station
        self._capacity = capacity
        self._selector = selectors.DefaultSelector()
        self._wards: dict[int, Ward] = {}
        self._stopping = threading.Event()
        self._database_away = threading.Event()
        self._asides: list[Callable[[], None]] = []
        self._ear, self._mouth = socket.socketpair()
        self._pings = 0
        self._lag_s = 0.0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind("\0" + station.worker.keeper[1:])
        self._listener.listen(128)
        for it in (self._listener, self._ear):
            it.setblocking(False)
            self._selector.register(it, selectors.EVENT_READ)

    # Said by other threads -------------------------------------------------------------------------

    def may_claim(self) -> bool:
        """Whether Postgres can be reached and the worker is not stopping: else it must not drain the hints."""
        return not self._database_away.is_set() and not self._stopping.is_set()

    def abort(self, firing: UUID, reason: str) -> bool:
        """Whether that firing's payload is here; its guard is told to end it."""
        here = any(ward.firing == firing for ward in list(self._wards.values()))
        self._aside(lambda: self._abort(firing, reason))
        return here

    def stop(self) -> None:
        """Ends the thread; the payloads' guards have their own deadlines."""
        self._stopping.set()
        self._aside(lambda: None)
        self.join(timeout=10)

    def _aside(self, deed: Callable[[], None]) -> None:
        self._asides.append(deed)
        with suppress(OSError):
            self._mouth.send(b"!")

    # The loop --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Renews at once, then every quarter of the lease, and sooner after trouble."""
        try:
            while not self._stopping.is_set():
                pause = self._one_round()
                self._hear_for(pause)
        finally:
            self._leave()

    def _one_round(self) -> float:
        try:
            self._renew()
        except (psycopg.Error, RedisError, OperationalError, OSError) as error:
            trouble("keeper.trouble", error, leases=len(self._wards))
            self._note_database()
            return AFTER_TROUBLE_S
        return self._station.refresh().lease_seconds / 4

    def _note_database(self) -> None:
        """Whether it is Postgres that is away; then nothing is claimed until it is back."""
        try:
            processes.ping(self._station.database.connection())
        except psycopg.Error:
            self._database_away.set()
        else:
            self._database_away.clear()

    def _leave(self) -> None:
        with suppress(psycopg.Error, RedisError, OSError):
            processes.leave(self._station.database.connection(), self._station.worker.id)
            self._station.admission.gate.renew(self._station.worker.id, 0, 1000, [])
        for ward in list(self._wards.values()):
            self._drop(ward)
        for it in (self._listener, self._ear, self._mouth):
            it.close()
        self._selector.close()
        self._station.database.close()

    def _hear_for(self, pause_s: float) -> None:
        until = monotonic() + pause_s
        while not self._stopping.is_set() and (left := until - monotonic()) > 0:
            self._hear(left)
        self._lag_s = max(self._lag_s * 0.9, monotonic() - until)

    def _hear(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._listener:
                self._greet()
            elif key.fileobj is self._ear:
                self._ear.recv(4096)
            else:
                self._listen_to(self._wards[key.fd])
        while self._asides:
            self._asides.pop(0)()

    # Guards ----------------------------------------------------------------------------------------

    def _greet(self) -> None:
        line, _ = self._listener.accept()
        line.setblocking(False)
        self._wards[line.fileno()] = Ward(line)
        self._selector.register(line, selectors.EVENT_READ)

    def _listen_to(self, ward: Ward) -> None:
        try:
            told = ward.line.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if not told:
            self._drop(ward)
            return
        *lines, ward.rest = (ward.rest + told).split(b"\n")
        for line in lines:
            self._heed(ward, line)

    def _heed(self, ward: Ward, line: bytes) -> None:
        if line == b"database away":
            self._database_away.set()
            return
        message: dict[str, Any] = json.loads(line)
        if "token" in message:
            ward.token, ward.guard_pid = message["token"], message["pid"]
            about = message.get("about", {})
            ward.firing, ward.request = UUID(about["firing"]), UUID(about["request"])
        ward.answered = max(ward.answered, message.get("pong", 0))

    def _drop(self, ward: Ward) -> None:
        self._wards.pop(ward.line.fileno(), None)
        with suppress(KeyError, ValueError):
            self._selector.unregister(ward.line)
        ward.line.close()

    def _say(self, ward: Ward, message: dict[str, Any]) -> None:
        with suppress(OSError):
            ward.line.send(json.dumps(message).encode() + b"\n")

    def _abort(self, firing: UUID, reason: str) -> None:
        for ward in self._wards.values():
            if ward.firing == firing:
                self._say(ward, {"abort": reason})

    # Leases ----------------------------------------------------------------------------------------

    def _renew(self) -> None:
        station = self._station
        settings = station.refresh()
        alive = self._ask_guards(min(ANSWER_WITHIN_S, settings.lease_seconds / 6))
        before = boottime()
        lease = timedelta(seconds=settings.lease_seconds)
        if alive:
            known = attempts.renew(station.database.connection(), [ward.token for ward in alive], lease)
            self._tell_guards(alive, {it.token: it for it in known}, before + settings.lease_seconds)
        self._database_away.clear()
        self._tell_gate(alive, round(settings.lease_seconds * 1000))
        processes.sign(
            station.database.connection(),
            {
                **{k: v for k, v in station.worker.facts().items() if k != "keeper"},
                "kind": "worker",
                "capacity": self._capacity(),
                "facts": {"lag_ms": round(self._lag_s * 1000, 3), "leases": len(alive)},
            },
        )

    def _ask_guards(self, within_s: float) -> list[Ward]:
        """The wards whose guards answer; the trees of those that do not are killed."""
        self._pings += 1
        asked = [ward for ward in self._wards.values() if ward.token]
        for ward in asked:
            ward.asked = self._pings
            self._say(ward, {"ping": self._pings})
        until = monotonic() + within_s
        while any(w.answered < self._pings for w in self._living(asked)) and (left := until - monotonic()) > 0:
            self._hear(left)
        silent = [ward for ward in self._living(asked) if ward.answered < self._pings]
        for ward in silent:
            event("guard.silent", token=ward.token, pid=ward.guard_pid)
            threading.Thread(target=tree.end_tree, args=(ward.guard_pid, True), daemon=True).start()
            self._drop(ward)
        return [ward for ward in self._living(asked) if ward not in silent]

    def _living(self, wards: list[Ward]) -> list[Ward]:
        return [ward for ward in wards if ward.line.fileno() in self._wards]

    def _tell_guards(self, alive: list[Ward], known: dict[int, attempts.Renewed], until: float) -> None:
        deadline = until - self._station.settings.guard_margin_s
        for ward in alive:
            renewed = known.get(ward.token)
            if renewed is None:
                event("lease.lost", firing=ward.firing, token=ward.token)
                self._say(ward, {"kill": "fenced"})
            else:
                self._say(ward, {"deadline": deadline})
                if renewed.abort_reason is not None:
                    self._say(ward, {"abort": renewed.abort_reason})

    def _tell_gate(self, alive: list[Ward], lease_ms: int) -> None:
        admission, worker = self._station.admission, self._station.worker
        leases = [(ward.firing, ward.request) for ward in alive if ward.firing and ward.request]
        answers, reservations = admission.ask(
            lambda gate: gate.renew(worker.id, self._capacity() if self.may_claim() else 0, lease_ms, leases)
        )
        admission.hand_over(reservations)
        absent = [firing for (firing, _), answer in zip(leases, answers, strict=True) if answer == "absent"]
        if absent:
            seats = [it for it in firings.running(self._station.database.connection()) if it.line.id in absent]
            admission.seat(seats)
        for (firing, _), answer in zip(leases, answers, strict=True):
            if answer.startswith("abort:"):
                self._abort(firing, answer.removeprefix("abort:"))
