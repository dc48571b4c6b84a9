"""A claim: the gate first, then Postgres, and what becomes of either's no."""

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from shared.clock import boottime
from shared.events import event, trouble
from shared.store import attempts
from shared.store.connection import AWAY
from workers import shop
from workers.station import Station

# How long the gate waits for a claim to reach Postgres. Past it the reconciler looks there, and puts back what nobody
# claimed: as soon as what was promised and lost its message. What runs is renewed by its keeper, and left alone.
CLAIM_LEASE_MS = 5_000
# How often what needs Postgres, or the gate, is tried again while it is away.
TRY_AGAIN_S = 0.25

# A slot is given on in the gate a moment before the settle that frees its row is committed (`workers/relay.py`), and
# whoever comes in between finds no row. After so long it is asked again, before the gate hears that it is wrong.
_FREED_WITHIN_S = (0.003, 0.01, 0.03)

Answer = attempts.Attempt | attempts.Refused | None


@dataclass(frozen=True)
class Claimed:
    """An attempt that is ours, the moment before it was asked for, from which its deadlines count, its Celery id."""

    attempt: attempts.Attempt
    asked_at: float
    celery_id: str | None


@dataclass(frozen=True)
class Taken:
    """What the gate has leased to this process already: its request; when Postgres was asked, and what it said.

    `was_asked`: it may have been granted, whether or not the answer was heard.
    """

    request: UUID
    asked_at: float
    answer: Answer
    was_asked: bool = False


def claim(station: Station, firing: UUID, celery_id: str | None, taken: Taken | None = None) -> Claimed | None:
    """The gate first, then Postgres; None when somebody else has it, nobody may have it now, or one of them is away.

    What is promised or leased by then, and has no attempt, is put back by the reconciler.
    """
    try:
        return _claim(station, firing, celery_id, taken)
    except (*AWAY, RedisError) as error:
        trouble("claim.failed", error, firing=firing)
        return None


def _claim(station: Station, firing: UUID, celery_id: str | None, taken: Taken | None) -> Claimed | None:
    for _ in range(3):
        request = taken.request if taken else uuid4()
        told = "LEASED" if taken else _claim_in_gate(station, firing, request)
        if told == "UNKNOWN":
            # A late message, or a gate that forgot: what Postgres calls startable goes in line.
            station.admission.offer_again([firing])
            return None
        if told != "LEASED":
            return None
        asked_at = taken.asked_at if taken else boottime()
        was_asked = taken is not None and taken.was_asked
        answer = (taken and taken.answer) or _claim_in_postgres(station, firing, request, celery_id, was_asked)
        for pause_s in _FREED_WITHIN_S:
            if not isinstance(answer, attempts.Refused) or answer.answer != "full":
                break
            time.sleep(pause_s)
            answer = _claim_in_postgres(station, firing, request, celery_id)
        if isinstance(answer, attempts.Attempt):
            event("slot.claimed", **answer.ids, title=answer.title)
            return Claimed(answer, asked_at, celery_id)
        if not _stand_back(station, firing, request, answer):
            return None
        taken = None
    return None


def claimer(station: Station, celery_id: str | None) -> attempts.Claimer:
    """Who claims, as rows have it."""
    lease = timedelta(seconds=station.settings.lease_seconds)
    facts = {**station.worker.facts(), "child": os.getpid()}
    return attempts.Claimer(facts, celery_id, station.admission.gate.epoch, lease)


def claim_lease_ms(station: Station) -> int:
    """How long the gate keeps a lease that no keeper has renewed yet."""
    return min(CLAIM_LEASE_MS, round(station.settings.lease_seconds * 1000))


def _claim_in_gate(station: Station, firing: UUID, request: UUID) -> str:
    """The gate's answer; an answer that was lost is found by asking again with the same request."""
    station.refresh()
    lease_ms = claim_lease_ms(station)
    for last in (False, True):
        try:
            return station.admission.ask(lambda gate: gate.claim(firing, request, station.worker.id, lease_ms))
        except (RedisError, *AWAY) as error:  # the latter where the gate must be made whole first
            trouble("claim.no_answer", error, firing=firing)
            if last:
                break
            time.sleep(TRY_AGAIN_S)
    return "GATE_AWAY"


def _claim_in_postgres(
    station: Station, firing: UUID, request: UUID, celery_id: str | None, was_asked: bool = False
) -> Answer:
    """Postgres's answer; None when it cannot be had in time, or is not asked for, since this worker closes.

    A lost answer is found by asking again with the same request: the COMMIT may have been applied. So it is too where
    the worker closes: nobody else would say that what it was granted was never begun.
    """
    # A worker that closes has said already which attempts it interrupts.
    if not (shop.is_open() or was_asked):
        return None
    give_up_at = boottime() + station.settings.lease_seconds - 2 * station.settings.guard_margin_s
    while True:
        try:
            return attempts.claim(station.database.connection(), firing, request, claimer(station, celery_id))
        except AWAY as error:
            trouble("claim.no_answer", error, firing=firing)
            station.tell_keeper(b"database away")
            if boottime() >= give_up_at:
                return None
            time.sleep(TRY_AGAIN_S)


def _stand_back(station: Station, firing: UUID, request: UUID, answer: Answer) -> bool:
    """Gives the lease back as fits Postgres's answer; whether to ask the gate again."""
    admission = station.admission
    refused = answer if isinstance(answer, attempts.Refused) else None
    event("slot.refused", firing=firing, answer=refused and refused.answer, limit=refused and refused.limit)
    if refused is None:
        admission.hand_over(admission.ask(lambda gate: gate.put_back(firing, request)))
        return False
    if refused.answer == "stale":
        admission.make_whole()
        return True
    if refused.limit is not None:
        limit = refused.limit
        admission.hand_over(admission.ask(lambda gate: gate.block(limit, firing, request)))
    else:
        admission.hand_over(admission.ask(lambda gate: gate.release(firing, request)))
        if refused.answer == "held":
            # What held it may have ended before our release: whoever offered it then found it known to the gate.
            admission.offer_again([firing])
    return False
