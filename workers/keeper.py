"""The part of a worker that renews its leases, and stops what lost one."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import psycopg
from kombu.exceptions import OperationalError
from psycopg.errors import LockNotAvailable
from redis.exceptions import RedisError

from shared import pulse
from shared.clock import boottime, monotonic, now
from shared.events import event, trouble
from shared.rules.endings import INTERRUPTED
from shared.settings import Settings, cap_asked_for
from shared.store import attempts, liveness, processes, running
from workers import reaper, shop, strays, tree
from workers.seating import seat_again
from workers.station import Station
from workers.wards import Ward, Wards

# A guard that does not answer for so long is stopped or dead, and so is everybody's knowledge of its payload.
ANSWER_WITHIN_S = 2.0
AFTER_TROUBLE_S = 0.5


class Keeper(threading.Thread):
    """One thread: hears guards, renews every quarter of the lease, tells the gate of this worker's room.

    Only an answer from Postgres that still knows the token moves a guard's deadline. Redis neither extends
    nor kills: what it has forgotten it is told again.
    """

    def __init__(self, station: Station, capacity: Callable[[], int]) -> None:
        super().__init__(name="slotbeat-keeper", daemon=True)
        self._station = station
        self._capacity = capacity
        self._wards = Wards(station.worker.keeper, self._heed_word, self._mourn, self._heed_deadline)
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._database_away = threading.Event()
        self._asides: list[Callable[[], None]] = []
        self._interrupt_at = float("inf")
        self._is_to_mark = False
        self._renew_at = self._hurry_at = float("inf")
        self._lag_s = 0.0
        self.loop_silent_s = 0.0
        shop.open_up()

    # Said by other threads -------------------------------------------------------------------------

    def may_claim(self) -> bool:
        """Whether Postgres can be reached and the worker is not closing: else it must not drain the hints."""
        return not self._database_away.is_set() and not self._closing.is_set()

    @property
    def leases(self) -> int:
        """How many payloads run here."""
        return len(self._wards.known())

    def abort(self, firing: UUID, reason: str) -> bool:
        """Whether that firing's payload is here; its guard is told to end it."""
        here = any(ward.firing == firing for ward in self._wards.known())
        self._aside(lambda: self._abort(firing, reason))
        return here

    def close_shop(self) -> None:
        """A deploy: nothing more is claimed, and what runs is interrupted, uncharged, after a grace; said once."""
        if self._closing.is_set():
            return
        self._closing.set()
        shop.close()
        self._aside(self._mark_interrupting)

    def stop(self) -> None:
        """Ends the thread; the payloads' guards have their own deadlines."""
        self._closing.set()
        self._stopping.set()
        self._wards.wake()
        self.join(timeout=10)

    def _aside(self, deed: Callable[[], None]) -> None:
        self._asides.append(deed)
        self._wards.wake()

    # The loop --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Renews at once, then every quarter of the lease, and sooner after trouble."""
        try:
            while not self._stopping.is_set():
                try:
                    self._hear_for(self._one_round())
                except Exception as error:  # noqa: BLE001 a keeper that ended would let go of all that runs here
                    trouble("keeper.trouble", error, leases=len(self._wards))
                    self._stopping.wait(AFTER_TROUBLE_S)
        finally:
            self._leave()

    def _one_round(self) -> float:
        pulse.touch()
        self._hurry_at = float("inf")
        try:
            self._renew()
            self._mark()
        except (psycopg.Error, RedisError, OperationalError, OSError) as error:
            trouble("keeper.trouble", error, leases=len(self._wards))
            self._note_database()
            return AFTER_TROUBLE_S
        return self._station.refresh().lease_seconds / 4

    def _hear_for(self, pause_s: float) -> None:
        until = monotonic() + pause_s
        self._renew_at = min(until, self._hurry_at)
        while not self._stopping.is_set() and monotonic() < self._renew_at:
            # Before it listens: what was asked for while it renewed has woken it already, and wakes it no more.
            while self._asides:
                self._asides.pop(0)()
            if monotonic() >= self._interrupt_at:
                self._interrupt()
            pulse.touch()
            left_s = min(self._renew_at, self._interrupt_at) - monotonic()
            self._wards.hear(max(0.0, min(left_s, pulse.TOUCH_EVERY_S)))
        self._lag_s = max(self._lag_s * 0.9, monotonic() - until)

    def _heed_word(self, word: bytes) -> None:
        if word == b"database away":
            self._database_away.set()
            # Who lost a connection, or a deadlock, may have found it there again: a quarter of a lease is long to idle.
            self._renew_at = min(self._renew_at, monotonic() + AFTER_TROUBLE_S)
        if word == b"renew now":
            self._renew_at = 0.0

    def _heed_deadline(self, deadline: float) -> None:
        """Renews before half of a payload's time is over: its claim may have a shorter lease than the last pause."""
        self._hurry_at = min(self._hurry_at, monotonic() + (deadline - boottime()) / 2)
        if self._closing.is_set():  # it had begun by then, and is marked as the others were
            self._is_to_mark, self._hurry_at = True, 0.0
        self._renew_at = min(self._renew_at, self._hurry_at)

    def _mourn(self, token: int) -> None:
        """A pool child was killed: nobody else will end its attempt before the lease is over. Beside this loop.

        It may have had another one already, of which no guard knows.
        """
        self._renew_at = 0.0
        self._reap(token)

    def _mourn_unguarded(self) -> None:
        """Attempts of pool children that were killed before a guard had said that it guards their payload."""
        guarded = [ward.token for ward in self._wards.known()]
        for token, child in liveness.unguarded(self._station.database.connection(), self._station.worker.id, guarded):
            seen = tree.look(child)
            if seen is not None and seen.alive() and os.getpid() in (child, seen.parent):
                continue
            if strays.has_guards(str(self._station.installation), child):
                self._hurry_at = min(self._hurry_at, monotonic() + AFTER_TROUBLE_S)
            else:
                self._reap(token)

    def _reap(self, token: int) -> None:
        threading.Thread(target=reaper.reap_orphan, args=(self._station, token), daemon=True).start()

    def _note_database(self) -> None:
        """Whether it is Postgres that is away; then nothing is claimed until it is back."""
        try:
            processes.ping(self._station.database.connection())
        except psycopg.Error:
            self._database_away.set()
        else:
            self._database_away.clear()

    def _leave(self) -> None:
        worker = self._station.worker.id
        with suppress(psycopg.Error, RedisError, OSError):
            processes.leave(self._station.database.connection(), worker)
            self._station.admission.ask(lambda gate: gate.renew(worker, 0, 1000, []))
        self._wards.close()
        self._station.database.close()

    # Ending payloads -------------------------------------------------------------------------------

    def _abort(self, firing: UUID, reason: str) -> None:
        for ward in self._wards.known():
            if ward.firing == firing:
                self._wards.say(ward, {"abort": reason})

    def _mark_interrupting(self) -> None:
        """First the rows, so that losing this worker from now on charges nobody; then the grace."""
        tokens = [ward.token for ward in self._wards.known()]
        self._is_to_mark = True
        try:
            self._mark()
        except psycopg.Error as error:
            trouble("shutdown.not_marked", error, tokens=tokens)
            self._renew_at = min(self._renew_at, monotonic() + AFTER_TROUBLE_S)
        self._interrupt_at = monotonic() + self._station.settings.shutdown_grace_s
        event("worker.closing", leases=len(tokens), grace_s=self._station.settings.shutdown_grace_s)
        with suppress(psycopg.Error, RedisError, OperationalError, OSError):
            self._tell_gate([], round(self._station.settings.lease_seconds * 1000))

    def _mark(self) -> None:
        """What runs here, once after it was asked for; while Postgres is away, it is with the next renewals."""
        if self._is_to_mark:
            tokens = [ward.token for ward in self._wards.known()]
            attempts.mark_interrupting(self._station.database.connection(), tokens)
            self._is_to_mark = False

    def _interrupt(self) -> None:
        """Again every second: a payload may have been on its way here when the others were told."""
        for ward in self._wards.known():
            self._wards.say(ward, {"abort": INTERRUPTED})
        self._interrupt_at = monotonic() + 1

    # Leases ----------------------------------------------------------------------------------------

    def _renew(self) -> None:
        settings = self._station.refresh()
        alive, silent = self._wards.ask(min(ANSWER_WITHIN_S, settings.lease_seconds / 6))
        self._end_silent(silent)
        if alive:
            self._renew_leases(alive, settings)
        self._sign(len(alive))
        self._mourn_unguarded()
        self._database_away.clear()
        self._tell_gate(alive, round(settings.lease_seconds * 1000))

    def _sign(self, leases: int) -> None:
        worker = self._station.worker
        values = {
            **{name: value for name, value in worker.facts().items() if name not in ("keeper", "pid_namespace")},
            "kind": "worker",
            "capacity": self._capacity(),
            "facts": {
                "pid_namespace": worker.pid_namespace,
                "lag_ms": round(self._lag_s * 1000, 3),
                "leases": leases,
                "loop_silent_s": round(self.loop_silent_s),
                "ends_by": tree.support(),
                "allows_any": self._station.settings.allowed.anything(),
                "cap_asked_for": cap_asked_for(),
                "wall_clock": now().timestamp(),
            },
        }
        processes.sign(self._station.database.connection(), values)

    def _end_silent(self, silent: list[Ward]) -> None:
        """Kills the trees of guards that do not answer, each beside this loop: others wait for renewal."""
        for ward in silent:
            event("guard.silent", token=ward.token, pid=ward.guard_pid)
            threading.Thread(target=tree.end_tree, args=(ward.guard_pid, True), daemon=True).start()
            self._wards.drop(ward)

    def _renew_leases(self, alive: list[Ward], settings: Settings) -> None:
        """First whatever nobody has locked, whose guards are told at once; then row by row what somebody had locked.

        A row that stays locked is not renewed this time. It must not use up the time of the others' next renewal.
        """
        connection, lease = self._station.database.connection(), timedelta(seconds=settings.lease_seconds)
        lasts = settings.lease_seconds - settings.guard_margin_s
        before = began = boottime()
        known = {it.token: it for it in attempts.renew(connection, [ward.token for ward in alive], lease)}
        for ward in alive:
            if ward.token in known:
                self._tell_guard(ward, known[ward.token], before + lasts)
        for ward in alive:
            before = boottime()
            if ward.token in known or before > began + settings.lease_seconds / 4:
                continue
            try:
                self._tell_guard(ward, attempts.renew_locked(connection, ward.token, lease), before + lasts)
            except LockNotAvailable as error:
                trouble("lease.row_locked", error, firing=ward.firing, token=ward.token)

    def _tell_guard(self, ward: Ward, renewed: attempts.Renewed | None, deadline: float) -> None:
        if renewed is None:
            event("lease.lost", firing=ward.firing, token=ward.token)
            self._wards.say(ward, {"kill": "fenced"})
            return
        self._wards.say(ward, {"deadline": deadline})
        if renewed.abort_reason is not None:
            self._wards.say(ward, {"abort": renewed.abort_reason})

    def _tell_gate(self, alive: list[Ward], lease_ms: int) -> None:
        admission, worker = self._station.admission, self._station.worker
        leases = [(ward.firing, ward.request) for ward in alive if ward.firing and ward.request]
        capacity = self._capacity() if self.may_claim() else 0
        answers, reservations = admission.ask(lambda gate: gate.renew(worker.id, capacity, lease_ms, leases))
        admission.hand_over(reservations)
        told = dict(zip([firing for firing, _ in leases], answers, strict=True))
        if "absent" in answers:
            live = running.running(self._station.database.connection())
            seat_again(admission, [it for it in live if told.get(it.line.id) == "absent"])
        for firing, answer in told.items():
            if answer.startswith("abort:"):
                self._abort(firing, answer.removeprefix("abort:"))
