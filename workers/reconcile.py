"""Holds Redis against Postgres: re-reads each difference by id, then heals it, and counts what stays."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar
from uuid import UUID

import psycopg
from redis.exceptions import RedisError

from shared.answers import Held
from shared.celery_app import RECONCILE
from shared.events import event, trouble
from shared.gate import Gate
from shared.store import alerts, cadence, failure_classes, firings, limits, processes, running
from workers.seating import seat_again
from workers.station import Station

BATCH = 1000
# A reservation that nobody claimed for so long: its message may be lost. One that Postgres does not know may
# be a run-now between its two steps; after so long it is one whose caller died.
UNCLAIMED_MS = 5000
# A stop of admission is renewed by each pass that still sees why, and lifts by itself when none does.
STOP_MS = 30_000
_Told = TypeVar("_Told")


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; what was healed, by kind. In a healthy system: nothing."""
    settings = station.refresh()
    connection = station.database.connection()
    if not cadence.take(connection, RECONCILE, settings.reconcile_every_s):
        return {}
    one = Pass(station, cadence.pending(connection, RECONCILE))
    try:
        one.heal()
        processes.forget_silent(connection)
    except (psycopg.Error, RedisError, OSError) as error:
        trouble("reconcile.failed", error)
        cadence.finish(station.database.connection(), RECONCILE, "failed", {"pending": []})
        return {}
    cadence.finish(connection, RECONCILE, "ok", {**one.counts, "drift": one.drift, "pending": sorted(one.differing)})
    if one.counts:
        event("reconcile.healed", drift=one.drift, **one.counts)
    return dict(one.counts)


class Pass:
    """One pass over both stores. A difference is drift when the pass before saw it too."""

    def __init__(self, station: Station, seen_before: Iterable[str]) -> None:
        self._station = station
        self._seen_before = frozenset(seen_before)
        self.counts: Counter[str] = Counter()
        self.differing: set[str] = set()

    @property
    def drift(self) -> int:
        """Differences that outlived their healing."""
        return len(self.differing & self._seen_before)

    def heal(self) -> None:
        """Every kind of difference in turn; then whatever is free is handed over."""
        self._station.admission.make_whole()
        self._overdue()
        self._lost_messages()
        self._strangers()
        self._unknown_running()
        self._probes()
        self._unknown_queued()
        self._caps()
        self._station.admission.fill()
        if self.drift:
            self.counts["drift_total"] = self.drift
            self._tell_drift()

    def _tell_drift(self) -> None:
        many = f"{self.drift} difference{'s' * (self.drift != 1)}"
        words = (
            f"{many} between the gate and the rows outlived a pass that healed them:"
            f" {', '.join(sorted(self.differing & self._seen_before)[:5])}. See: slotbeat doctor"
        )
        alerts.add(self._station.database.connection(), "drift", "the gate and the rows drift apart", words)

    def _ask(self, question: Callable[[Gate], _Told]) -> _Told:
        return self._station.admission.ask(question)

    def _note(self, kind: str, *ids: UUID) -> None:
        self.counts[f"{kind}_total"] += len(ids)
        self.differing.update(str(it) for it in ids)

    def _statuses(self, ids: list[UUID]) -> dict[UUID, tuple[str, UUID | None]]:
        return running.statuses(self._station.database.connection(), ids)

    def _overdue(self) -> None:
        """Past their lease in Redis, and queued in Postgres: back to their place in line; nothing is charged.

        A reservation that no worker claimed, or a lease whose worker died before Postgres heard of it.
        """
        admission = self._station.admission
        overdue = self._ask(lambda gate: gate.expired(BATCH))
        known = self._statuses([it.firing for it in overdue])
        for held in overdue:
            if known.get(held.firing, ("", None))[0] != "queued":
                continue
            if held.state == "reserved":
                admission.withdraw([held.firing])
                admission.offer_again([held.firing])
                self._note("start_lease_over", held.firing)
            elif held.state == "leased":
                request = UUID(held.request)
                admission.hand_over(self._ask(lambda gate, it=held, by=request: gate.put_back(it.firing, by)))
                self._note("claim_lost", held.firing)

    def _lost_messages(self) -> None:
        """Reserved for over 5 s: published again, if Postgres still knows it as queued."""
        unclaimed = self._ask(lambda gate: gate.unclaimed(UNCLAIMED_MS, BATCH))
        known = self._statuses([it.firing for it in unclaimed])
        queued = [it for it in unclaimed if known.get(it.firing, ("", None))[0] == "queued"]
        self._station.admission.hand_over(queued)
        if queued:
            self.counts["published_again_total"] += len(queued)

    def _strangers(self) -> None:
        """In Redis, neither queued nor running: withdrawn. A lease whose request has ended: released."""
        members = iter(self._station.admission.gate.members())
        while batch := list(islice(members, BATCH)):
            known = self._statuses(batch)
            gone = [it for it in batch if known.get(it, ("", None))[0] not in ("queued", "running")]
            if gone:
                self._let_go(gone)
            self._untold([it for it in batch if known.get(it, ("", None))[0] == "queued"])

    def _let_go(self, gone: list[UUID]) -> None:
        old = {it.firing for it in self._ask(lambda gate: gate.unclaimed(UNCLAIMED_MS, BATCH))}
        ended = self._statuses(gone)
        for held in self._ask(lambda gate: gate.states(gone)):
            # A reservation that Postgres has never heard of may be a run-now that is just being written.
            if held.state and (held.state != "reserved" or held.firing in old or held.firing in ended):
                self._drop(held)

    def _untold(self, queued: list[UUID]) -> None:
        """Queued again, and leased in Redis by the attempt before, whose end it was not told: no claim is so old."""
        ended = running.ended_requests(self._station.database.connection(), queued)
        if ended:
            for held in self._ask(lambda gate: gate.states({firing for firing, _ in ended})):
                if held.state == "leased" and (held.firing, UUID(held.request)) in ended:
                    self._drop(held)

    def _drop(self, held: Held) -> None:
        admission = self._station.admission
        if held.state == "leased":
            request = UUID(held.request)
            admission.hand_over(self._ask(lambda gate: gate.release(held.firing, request)))
            self._note("released", held.firing)
        else:
            admission.withdraw([held.firing])
            self._note("withdrawn", held.firing)

    def _unknown_running(self) -> None:
        """Live in Postgres, not leased in Redis by the same request: seated."""
        live = running.running(self._station.database.connection())
        if not live:
            return
        states = self._ask(lambda gate: gate.states([it.line.id for it in live]))
        forgotten = [
            it
            for it, held in zip(live, states, strict=True)
            if held.state != "leased" or held.request != str(it.request_id)
        ]
        # Since they were read some may have ended, and some are ending.
        seated = seat_again(self._station.admission, forgotten)
        if seated:
            self._note("seated", *[it.line.id for it in seated])

    def _probes(self) -> None:
        """A tripped class whose time has come lets one firing try; like others that may start, it is offered."""
        with self._station.database.transaction() as connection:
            elected = failure_classes.elect(connection)
        if elected:
            self._station.admission.offer_again(elected)
            self.counts["probes_total"] += len(elected)

    def _unknown_queued(self) -> None:
        """Queued, startable, unknown to Redis or astray in it: offered."""
        after = -1
        while waiting := firings.startable(self._station.database.connection(), after, BATCH):
            after = waiting[-1].line_no
            states = self._ask(lambda gate, ids=[it.id for it in waiting]: gate.states(ids))
            if astray := [held.firing for held in states if held.state == "astray"]:
                self._station.admission.withdraw(astray)
            unknown = [it for it, held in zip(waiting, states, strict=True) if held.state in ("", "astray")]
            if unknown:
                self._station.admission.offer(unknown)
                self._note("offered", *[it.id for it in unknown])

    def _caps(self) -> None:
        """The gate's caps are Postgres's; and where more executes than may, admission stops under that limit."""
        connection = self._station.database.connection()
        caps = limits.caps(connection)
        told = {it.limit: it.cap for it in self._ask(lambda gate: gate.usage()).limits}
        for key in caps.keys() | told.keys():
            if caps.get(key) != told.get(key):
                self._station.admission.tell_cap(key)
                self.counts["caps_total"] += 1
                self.differing.add(key)
        for key in limits.exceeded(connection):
            self._ask(lambda gate, key=key: gate.stop(key, STOP_MS))
            self.counts["stopped_total"] += 1
            words = f"more firings execute under {key} than its cap allows; nothing is started under it"
            alerts.add(connection, "cap_exceeded", f"{key} is over its cap", words)
