"""A firing from claim to release as a straight line of named steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import psycopg
from redis.exceptions import RedisError

from shared.answers import Reservation
from shared.clock import boottime, monotonic, now
from shared.events import event, trouble
from shared.held import rearrange
from shared.rules.endings import NOT_STARTED
from shared.rules.reasons import Reason
from shared.store import attempts, firings
from shared.store.connection import Postgres
from workers import remote, shop, spending, traces
from workers.check import Case, checked
from workers.outcome import Outcome
from workers.owed import Owed
from workers.preflight import preflight
from workers.record import Record
from workers.settle import Ahead, Settled, settle
from workers.station import Station
from workers.targets import execute as execute_target
from workers.targets.terms import Allowance, Terms

# How long the gate waits for a claim to reach Postgres. Past it the reconciler looks there, and puts back what nobody
# claimed: as soon as what was promised and lost its message. What runs is renewed by its keeper, and left alone.
CLAIM_LEASE_MS = 5_000
# How often what needs Postgres is tried again while it is away.
_TRY_AGAIN_S = 0.25


@dataclass(frozen=True)
class Claimed:
    """An attempt that is ours, the moment before it was asked for, from which its deadlines count, its Celery id."""

    attempt: attempts.Attempt
    asked_at: float
    celery_id: str | None


def see_through(station: Station, claimed: Claimed, owed: Owed) -> Settled:
    """One attempt from its payload's start to its rows' end."""
    attempt, began = claimed.attempt, now()
    outcome = run(station, claimed, owed.pay)
    owed.pay_if_long()  # payloads so short that there was no moment for it
    if attempt.success_check is None:
        settled = settle_surely(station, attempt, outcome, ahead=partial(exited, attempt, outcome))
    else:
        record_exit(station, attempt, outcome)
        settled = settle_surely(station, attempt, check(station, attempt, outcome))
    owed.add(partial(traces.tell, attempt, began, now(), settled))
    if outcome.remote_ref is not None and outcome.reason == Reason.WORKER_LOST:
        owed.add(lambda: remote.ask_for(station, [attempt.token]))  # its guard ended it in a hurry
    owed.add(lambda: spending.tell(station.database, attempt))
    return settled


def claim(station: Station, firing: UUID, celery_id: str | None, leased_by: UUID | None = None) -> Claimed | None:
    """The gate first, then Postgres; None when somebody else has it, or nobody may have it now.

    `leased_by` is the request under which the gate has leased it to this process already.
    """
    for _ in range(3):
        request = leased_by or uuid4()
        told = "LEASED" if leased_by else _claim_in_gate(station, firing, request)
        leased_by = None
        if told == "UNKNOWN":
            # A late message, or a gate that forgot: what Postgres calls startable goes in line.
            station.admission.offer_again([firing])
            return None
        if told != "LEASED":
            return None
        asked_at = boottime()
        # A worker that closes has said already which attempts it interrupts.
        answer = _claim_in_postgres(station, firing, request, celery_id) if shop.is_open() else None
        if isinstance(answer, attempts.Attempt):
            event("slot.claimed", **answer.ids, title=answer.title)
            return Claimed(answer, asked_at, celery_id)
        if not _stand_back(station, firing, request, answer):
            return None
    return None


def _claim_in_gate(station: Station, firing: UUID, request: UUID) -> str:
    """The gate's answer; an answer that was lost is found by asking again with the same request."""
    station.refresh()
    lease_ms = _claim_lease_ms(station)
    for last in (False, True):
        try:
            return station.admission.ask(lambda gate: gate.claim(firing, request, station.worker.id, lease_ms))
        except RedisError as error:
            trouble("claim.no_answer", error, firing=firing)
            if last:
                break
            time.sleep(_TRY_AGAIN_S)
    return "GATE_AWAY"


def _claim_lease_ms(station: Station) -> int:
    return min(CLAIM_LEASE_MS, round(station.settings.lease_seconds * 1000))


def _claim_in_postgres(
    station: Station, firing: UUID, request: UUID, celery_id: str | None
) -> attempts.Attempt | attempts.Refused | None:
    """Postgres's answer; None when it cannot be had in time.

    A lost answer is found by asking again with the same request: the COMMIT may have been applied.
    """
    lease = timedelta(seconds=station.settings.lease_seconds)
    give_up_at = boottime() + station.settings.lease_seconds - 2 * station.settings.guard_margin_s
    while True:
        try:
            by = attempts.Claimer(station.worker.facts(), celery_id, station.admission.gate.epoch, lease)
            return attempts.claim(station.database.connection(), firing, request, by)
        except psycopg.OperationalError as error:
            trouble("claim.no_answer", error, firing=firing)
            station.tell_keeper(b"database away")
            if boottime() >= give_up_at:
                return None
            time.sleep(_TRY_AGAIN_S)


def _stand_back(station: Station, firing: UUID, request: UUID, answer: attempts.Refused | None) -> bool:
    """Gives the lease back as fits Postgres's answer; whether to ask the gate again."""
    admission = station.admission
    event("slot.refused", firing=firing, answer=answer and answer.answer, limit=answer and answer.limit)
    if answer is None:
        admission.hand_over(admission.ask(lambda gate: gate.put_back(firing, request)))
        return False
    if answer.answer == "stale":
        admission.make_whole()
        return True
    if answer.limit is not None:
        limit = answer.limit
        admission.hand_over(admission.ask(lambda gate: gate.block(limit, firing, request)))
    else:
        admission.hand_over(admission.ask(lambda gate: gate.release(firing, request)))
    return False


def run(station: Station, claimed: Claimed, meanwhile: Callable[[], None]) -> Outcome:
    """Runs the payload under its guard, until nothing of it is left; `meanwhile` is done while it runs."""
    attempt, settings = claimed.attempt, station.settings
    record = Record(station, attempt)
    unfit = preflight(station, attempt, record)
    if unfit is not None:
        return unfit
    if boottime() >= claimed.asked_at + settings.lease_seconds - settings.guard_margin_s:
        return Outcome(NOT_STARTED, "the claim took so long that its lease was nearly over")
    terms = Terms(
        variables=_variables(station, attempt),
        deadline=claimed.asked_at + settings.lease_seconds - settings.guard_margin_s,
        run_deadline=claimed.asked_at + attempt.run_left_s,
        abort_grace_s=settings.abort_grace_s,
        token=attempt.token,
        about={"firing": str(attempt.firing_id), "request": str(attempt.request_id)},
        keeper=station.worker.keeper,
        max_turns=attempt.max_turns,
        allowance=Allowance(attempt.may_turns, attempt.may_tokens, attempt.may_micros),
        allowed=settings.allowed,
        meanwhile=meanwhile,
    )
    try:
        return execute_target(attempt.target, attempt.prompt, terms, station.guards, record)
    except ValueError as error:
        return Outcome(Reason.BAD_TARGET, str(error))
    except Exception as error:  # noqa: BLE001 whatever went wrong here, the firing must not stay running
        trouble("run.failed", error, firing=attempt.firing_id)
        return Outcome(Reason.TARGET_ERROR, f"{type(error).__name__}: {error}")


def _variables(station: Station, attempt: attempts.Attempt) -> dict[str, str]:
    return {
        "SLOTBEAT_INSTALLATION": str(station.installation),
        "SLOTBEAT_FIRING_ID": str(attempt.firing_id),
        "SLOTBEAT_ATTEMPT": str(attempt.number),
        "SLOTBEAT_TOKEN": str(attempt.token),
        "SLOTBEAT_SCHEDULE": attempt.schedule or "",
        "SLOTBEAT_WORKSPACE": attempt.workspace,
        "SLOTBEAT_NOMINAL_AT": attempt.nominal_at.isoformat(),
        "SLOTBEAT_MAX_TURNS": "" if attempt.max_turns is None else str(attempt.max_turns),
    }


def exited(attempt: attempts.Attempt, outcome: Outcome, connection: Postgres) -> None:
    """Writes the end of the payload alone, by the token."""
    if outcome.reason != NOT_STARTED:
        attempts.record_exit(connection, attempt.token, outcome.exit_code, outcome.reason, outcome.result)


def record_exit(station: Station, attempt: attempts.Attempt, outcome: Outcome) -> None:
    """The end of the payload, before its check: that may take its time, and anything can go wrong meanwhile."""
    try:
        exited(attempt, outcome, station.database.connection())
    except psycopg.OperationalError as error:
        trouble("exit.not_recorded", error, firing=attempt.firing_id)


def check(station: Station, attempt: attempts.Attempt, outcome: Outcome) -> Outcome:
    """What the schedule's success check makes of the outcome; one that cannot be made is not green."""
    case = Case(attempt.success_check, str(attempt.firing_id), attempt.token)
    try:
        return checked(station, outcome, case)
    except Exception as error:  # noqa: BLE001 whatever went wrong here, the firing must not stay running
        trouble("check.failed", error, firing=attempt.firing_id)
        return replace(outcome, reason=Reason.CHECK_FAILED, error=f"{type(error).__name__}: {error}")


def settle_surely(station: Station, attempt: attempts.Attempt, outcome: Outcome, ahead: Ahead | None = None) -> Settled:
    """Settles, again and again while Postgres is away, until the reaper would settle in our place.

    What goes `ahead`, the exit, is sent with the first try: alone and first, and not waited for.
    """
    give_up_at = monotonic() + station.settings.exit_grace_s
    while True:
        try:
            settings, streams = station.refresh(), station.streams()
            return settle(station.database, attempt.token, outcome, settings, streams, ahead=ahead)
        except psycopg.OperationalError as error:
            trouble("settle.no_answer", error, firing=attempt.firing_id)
            ahead = None
            if monotonic() >= give_up_at:
                return Settled("fenced")
            time.sleep(_TRY_AGAIN_S)


def release(station: Station, attempt: attempts.Attempt, taking: UUID | None) -> tuple[list[Reservation], UUID | None]:
    """The slot goes to the next in line, in the same call; a gate that is away is told by the reconciler.

    With `taking`, the first of them is leased to this request in that call too. An answer that was lost is found by
    asking again.
    """
    firing, request, lease_ms = attempt.firing_id, attempt.request_id, _claim_lease_ms(station)
    for last in (False, True):
        try:
            if taking is None:
                return station.admission.ask(lambda gate: gate.release(firing, request)), None
            mine = (taking, station.worker.id, lease_ms)
            return station.admission.ask(lambda gate, mine=mine: gate.release_and_take(firing, request, *mine))
        except (psycopg.Error, RedisError, OSError) as error:
            trouble("release.not_told", error, firing=firing)
            if not last:
                time.sleep(_TRY_AGAIN_S)
    return [], None


def pass_on(station: Station, attempt: attempts.Attempt, settled: Settled) -> list[Reservation]:
    """What this end made startable: the firing itself when it was requeued, or its schedule's next one.

    And where it tripped or closed a class of failures, what that holds or lets go.
    """
    admission = station.admission
    try:
        rearrange(admission, settled.classes)
        if settled.status == "queued":
            return admission.put_in_line(firings.startable_among(station.database.connection(), [attempt.firing_id]))
        if attempt.schedule_id is not None and settled.has_next:
            return admission.put_in_line(firings.startable_of(station.database.connection(), [attempt.schedule_id]))
    except (psycopg.Error, RedisError, OSError) as error:
        trouble("pass_on.failed", error, firing=attempt.firing_id)
    return []
