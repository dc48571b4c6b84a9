"""Over gate and store: firings into the line, slots handed over, firings ended, the gate rebuilt."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError
from psycopg.errors import InsufficientPrivilege
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from shared import celery_app
from shared.answers import Caps, Full, InTheWay, Reservation, Reserved, Seat, Unreadable, Unseeded, Waiter
from shared.events import event, trouble
from shared.gate import Gate
from shared.redis_servers import client
from shared.settings import Addresses, Settings, environment_name
from shared.store import activity, epoch, firings, limits, processes, running
from shared.store.attempts import request_abort
from shared.store.connection import Database, Postgres

_Told = TypeVar("_Told")
_BATCH = 1000
_REBUILDS = 3

# A run-now must answer within 3 s while Redis is away. A connection that broke is tried once more, for scripts
# may be repeated; one that does not answer is not.
_REDIS_OPTIONS: dict[str, Any] = {
    "socket_timeout": 2.5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
}


class Admission:
    """The one way into the line, out of it, and from slot to slot; cheap to make, safe to share by threads."""

    def __init__(self, database: Database, where: Addresses, settings: Settings, app: Celery) -> None:
        self.database = database
        self.app = app
        self.gate = Gate(client(where.redis_url, **_REDIS_OPTIONS), where.namespace, 0)
        self.lease_ms = 0
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Goes by these settings from now on."""
        self.gate.start_lease_ms = round(settings.start_lease_seconds * 1000)
        self.lease_ms = round(settings.lease_seconds * 1000)

    def ask(self, question: Callable[[Gate], _Told]) -> _Told:
        """Asks the gate; where it has no memory, another epoch, or one we cannot read, it is made whole first."""
        for _ in range(3):
            epoch = self.gate.epoch
            try:
                return question(self.gate)
            except Unreadable:
                self.gate.lose(epoch)
            except Unseeded:
                self.make_whole()
        return question(self.gate)

    # Into the line, and on ------------------------------------------------------------------------

    def offer(self, queued: Iterable[firings.InLine]) -> int:
        """Puts firings in line, fills, publishes; how many were offered."""
        self.hand_over(self.put_in_line(listed := list(queued)))
        return len(listed)

    def put_in_line(self, queued: Iterable[firings.InLine]) -> list[Reservation]:
        """Puts firings in line and fills; the reservations, which the caller publishes, or takes up itself."""
        return self._offered([waiter(it) for it in queued], Gate.offer)

    def _offered(
        self, them: Sequence[_Told], offer: Callable[[Gate, Sequence[_Told]], list[Reservation]]
    ) -> list[Reservation]:
        made: list[Reservation] = []
        for start in range(0, len(them), _BATCH):
            made += self.ask(lambda gate, batch=them[start : start + _BATCH]: offer(gate, batch))
        return made

    def offer_written(self, facts: Sequence[str]) -> None:
        """The same of firings that are written as the gate takes them already."""
        self.hand_over(self._offered(facts, Gate.offer_written))

    def fill(self) -> None:
        """Hands over whatever is free, for instance after a change nobody else acted on."""
        self.hand_over(self.ask(lambda gate: gate.offer([])))

    def hand_over(self, reservations: Sequence[Reservation]) -> None:
        """Publishes one message per reservation; when the broker is away the reconciler does it later."""
        if not reservations:
            return
        try:
            celery_app.publish_firings(self.app, [(str(it.firing), it.title) for it in reservations])
        except (OperationalError, RedisError, OSError) as error:
            trouble("publish.failed", error, reservations=len(reservations))

    def offer_again(self, ids: Sequence[UUID]) -> int:
        """Offers those of some firings that may start now, as Postgres has them."""
        return self.offer(firings.startable_among(self.database.connection(), ids))

    def offer_next_of(self, schedules: Sequence[UUID]) -> int:
        """Offers, of each schedule, the firing that waited for another one of it to end."""
        return self.offer(firings.startable_of(self.database.connection(), schedules))

    # By hand --------------------------------------------------------------------------------------

    def run_now(self, firing: firings.ByHand, deed: activity.Deed, *, queue: bool) -> Full | None:
        """Starts a firing at once, or (with `queue`) puts it in line; Full leaves nothing behind.

        The reservation comes first, then row and audit in one transaction: a caller that dies between
        leaves a reservation that nobody claims, which the reconciler withdraws.
        """
        connection = self.database.connection()
        line_no = firings.next_line_no(connection)
        asked = Waiter(
            firing.id,
            firing.workspace_id,
            firing.lane,
            line_no,
            firing.priority,
            firing.forced,
            firing.title,
        )
        match self.ask(lambda gate: gate.reserve(asked)):
            case InTheWay(limit, draining):
                if not queue:
                    return Full(limit, draining)
                self._write(connection, firing, line_no, deed)
                self.offer_again([firing.id])
            case Reserved():
                try:
                    self._write(connection, firing, line_no, deed)
                except BaseException:
                    self.withdraw([firing.id])
                    raise
                self.hand_over([Reservation(firing.id, firing.title)])
        return None

    def _write(self, connection: Postgres, firing: firings.ByHand, line_no: int, deed: activity.Deed) -> None:
        with connection.transaction():
            firings.add_by_hand(connection, firing, line_no)
            activity.add(connection, deed)

    def cancel(self, firing: UUID, reason: str, deed: activity.Deed) -> str:
        """Ends a firing that waits at once, or asks for the end of one that runs.

        Answers `cancelled`, `aborting`, or `ended` when there was nothing left to end.
        """
        with self.database.transaction() as connection:
            # Else one whose attempt is given back in line between the two looks would be found by neither.
            firings.lock(connection, firing)
            if firings.cancel_queued(connection, firing, reason):
                activity.add(connection, deed)
                answer, asked = "cancelled", None
            else:
                asked = request_abort(connection, firing, reason)
                answer = "ended" if asked is None else "aborting"
                if asked is not None:
                    activity.add(connection, deed)
        if answer == "cancelled":
            self.withdraw([firing])
        if asked is not None:
            self.tell_abort(firing, asked[0], reason)
        return answer

    def tell_abort(self, firing: UUID, request: UUID, reason: str) -> None:
        """Flags an abort in the gate and tells the workers; either may be lost, the row is what counts."""
        try:
            self.ask(lambda gate: gate.abort(firing, request, reason))
        except (RedisError, OSError) as error:
            trouble("abort.not_told", error, firing=firing)
        self.tell_workers([firing], reason)

    def tell_workers(self, aborted: Sequence[UUID], reason: str) -> None:
        """Tells the workers, for speed, to end what they still run of some firings."""
        told = {"firing_ids": [str(it) for it in aborted], "reason": reason}
        try:
            self.app.control.broadcast("abort_firings", arguments=told)
        except (OperationalError, RedisError, OSError) as error:
            trouble("abort.not_told", error, firings=len(aborted))

    def withdraw(self, ids: Sequence[UUID]) -> None:
        """Out of the line and out of reservations; what is leased is left alone."""
        self.hand_over(self.ask(lambda gate: gate.withdraw(ids)))

    def set_cap(self, key: str, cap: int, by: str) -> bool:
        """Writes a cap where it stands, then in the gate; False when it was so already."""
        with self.database.transaction() as connection:
            changed = limits.set_cap(connection, key, cap, by)
            if changed:
                activity.add(connection, activity.Deed("limit_set", by, {"key": key, "cap": cap}))
        self.tell_cap(key)
        return changed

    def tell_cap(self, key: str) -> None:
        """Tells the gate what a limit's cap is in Postgres, and fills what that frees.

        With the version of the caps: of two who tell it at once, the gate believes the one who read later.
        """
        caps, version = limits.caps_now(self.database.connection())
        self.hand_over(self.ask(lambda gate: gate.set_cap(key, caps.get(key), version)))

    def write_own_cap(self, settings: Settings, by: str) -> None:
        """A process that was started with the variable writes the fleet cap where it stands, once.

        Under a database role of its own a worker or beat may not: caps are people's, who go through the API.
        """
        if environment_name("max_concurrent") not in os.environ:
            return
        try:
            if self.set_cap(limits.FLEET, settings.max_concurrent, by):
                event("cap.written", cap=settings.max_concurrent, by=by)
        except InsufficientPrivilege:
            event("cap.not_written", level=logging.WARNING, cap=settings.max_concurrent, by=by)
        except (OperationalError, RedisError, OSError) as error:
            trouble("gate.not_told", error, deed="own cap")  # the rows have it: the reconciler will

    def remove_limit(self, key: str, by: str) -> bool:
        """Removes a limit, here and in the gate; False when there is none."""
        with self.database.transaction() as connection:
            removed = limits.remove(connection, key)
            if removed:
                activity.add(connection, activity.Deed("limit_removed", by, {"key": key}))
        self.tell_cap(key)
        return removed

    # Made whole -----------------------------------------------------------------------------------

    def make_whole(self) -> None:
        """Takes over the epoch that stands, or rebuilds the gate from Postgres when it lost its memory.

        The lock keeps claims out meanwhile; whoever waited for it finds the work done.
        """
        with self.database.transaction() as connection:
            run_id = self.gate.run_id()
            stands = self._stands(connection, run_id)
            if stands is not None:
                self.gate.epoch = stands
                return
            connection.execute("set local idle_in_transaction_session_timeout = '60s'")
            connection.execute("set local lock_timeout = '30s'")
            epoch.shut_admission(connection)
            stands = self._stands(connection, run_id)
            number = self._rebuild(connection, run_id) if stands is None else stands
        self.gate.epoch = number
        self.gate.forget_before(number)
        self.fill()

    def _stands(self, connection: Postgres, run_id: str) -> int | None:
        """The epoch that both stores are of; None where the gate must be rebuilt."""
        known = epoch.current(connection)
        whole = known.number and known.redis_run_id == run_id and self.gate.current_epoch() == known.number
        return known.number if whole else None

    def _rebuild(self, connection: Postgres, run_id: str) -> int:
        """The new epoch; tried again, under another one, when Redis loses its memory meanwhile."""
        for _ in range(_REBUILDS):
            before = self.gate.current_epoch()
            number = epoch.draw(connection, before or 0)
            if self._load(connection, number):
                epoch.raise_to(connection, number, run_id)
                event("gate.rebuilt", epoch=number, before=before)
                return number
            event("gate.rebuild_lost", level=logging.WARNING, epoch=number)
        raise Unseeded(f"the gate lost its memory {_REBUILDS} times while it was rebuilt")

    def _load(self, connection: Postgres, number: int) -> bool:
        """Whether the gate has all of it; False when what was loaded was lost before it was done."""
        alive = [
            (it.id, it.capacity, self.lease_ms)
            for it in processes.listing(connection)
            if it.kind == "worker" and it.age_s * 1000 < self.lease_ms
        ]
        after = -1
        while waiting := firings.startable(connection, after, _BATCH):
            if not self.gate.load(number, waiters=[waiter(it) for it in waiting]):
                return False
            after = waiting[-1].line_no
        seats = [seat(it) for it in running.running(connection)]
        # An answer that was lost is asked for again, and then refused; but the number is nobody else's.
        done = self.gate.load(number, seats=seats, caps=Caps(*limits.caps_now(connection)), workers=alive, done=True)
        return done or self.gate.current_epoch() == number


def waiter(it: firings.InLine) -> Waiter:
    """A queued firing as the gate takes it."""
    return Waiter(it.id, it.workspace_id, it.lane, it.line_no, it.priority, it.forced, it.title)


def seat(it: running.Running) -> Seat:
    """A running firing as the gate takes it."""
    return Seat(waiter(it.line), it.request_id, it.worker, it.lease_left_ms)
