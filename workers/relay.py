"""From one firing to the next: the slot given back, the next in line claimed, along with the settle where it can be."""

import time
from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
from redis.exceptions import RedisError

from shared.answers import Reservation
from shared.clock import boottime
from shared.events import trouble
from shared.gate import Gate
from shared.store import attempts
from shared.store.connection import Postgres
from workers import shop
from workers.claim import TRY_AGAIN_S, Taken, claim_lease_ms, claimer
from workers.station import Station


class Relay:
    """The release of one attempt's slot, and what comes of it.

    `sure` and `along` go with the settle of a success: its rows are locked and read, so the slot is as good as free.
    What they could not do, `give_back` does after the settle; all may be repeated, for the request stays the same.
    """

    def __init__(self, station: Station, ended: attempts.Attempt, may_go_on: Callable[[], bool]) -> None:
        self._station, self._ended, self._may_go_on = station, ended, may_go_on
        self._request, self.celery_id = uuid4(), str(uuid4())
        self._made: list[Reservation] | None = None
        self._taken: UUID | None = None
        self._asked_at = 0.0
        self._question: attempts.Question | None = None
        self._answer: attempts.Attempt | attempts.Refused | None = None

    def begin(self) -> None:
        """The settle is about to be sent: what is claimed along with it has its deadlines from now on."""
        self._asked_at = boottime()

    def sure(self) -> None:
        """Gives back, and takes the next in line."""
        if not self._may_go_on():
            return
        try:
            self._give_back(self._station.admission.gate, self._request)
        except (RedisError, OSError) as error:
            trouble("release.not_told", error, firing=self._ended.firing_id)

    def along(self, connection: Postgres) -> None:
        """Asks Postgres for what was taken, in the settle's own transaction."""
        if self._made and self._taken and shop.is_open():
            by = claimer(self._station, self.celery_id)
            self._question = attempts.ask_along(connection, self._made[0].firing, self._request, by)

    def heard(self) -> None:
        """The settle is committed, and so is what Postgres said along with it."""
        if self._question is not None:
            self._answer = attempts.answered(self._question)

    def give_back(self) -> list[Reservation]:
        """The reservations that the freed slot made; a gate that is away is told by the reconciler."""
        taking = self._request if self._may_go_on() else None
        for last in (False, True):
            if self._made is not None:
                break
            try:
                self._station.admission.ask(lambda gate: self._give_back(gate, taking))
            except (psycopg.Error, RedisError, OSError) as error:
                trouble("release.not_told", error, firing=self._ended.firing_id)
                if not last:
                    time.sleep(TRY_AGAIN_S)
        return self._made or []

    def taken(self, firing: UUID) -> Taken | None:
        """What is known of a firing that this process has taken; None where it has not.

        Whatever became of a question that was sent, its deadlines count from before it: it may have been granted.
        """
        if self._taken != firing:
            return None
        was_asked = self._question is not None
        return Taken(self._request, self._asked_at if was_asked else boottime(), self._answer, was_asked)

    def _give_back(self, gate: Gate, taking: UUID | None) -> None:
        firing, request = self._ended.firing_id, self._ended.request_id
        if taking is None:
            self._made = gate.release(firing, request)
        else:
            mine = (taking, self._station.worker.id, claim_lease_ms(self._station))
            self._made, self._taken = gate.release_and_take(firing, request, *mine)
