"""One firing from claim to release, as a straight line of named steps."""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from redis.exceptions import RedisError

from shared.clock import boottime, monotonic
from shared.events import event, trouble
from shared.held import rearrange
from shared.rules.endings import NOT_STARTED
from shared.rules.reasons import Reason
from shared.store import attempts, firing_events, progress
from workers import remote, spending
from workers.adapters.events import Event, Usage
from workers.check import Case, checked
from workers.outcome import Outcome
from workers.preflight import preflight
from workers.settle import Settled, settle
from workers.station import Station
from workers.targets import execute as execute_target
from workers.targets.terms import Allowance, Terms

# How often what needs Postgres is tried again while it is away.
_TRY_AGAIN_S = 0.25


@dataclass(frozen=True)
class Claimed:
    """An attempt that is ours, and the moment before it was asked for, from which its deadlines count."""

    attempt: attempts.Attempt
    asked_at: float


def execute(station: Station, firing: UUID, celery_id: str | None) -> str:
    """Runs a firing, if it may run now; what became of it, in a word, for the log."""
    claimed = claim(station, firing, celery_id)
    if claimed is None:
        return "not claimed"
    attempt = claimed.attempt
    outcome = run(station, claimed)
    record_exit(station, attempt, outcome)
    outcome = check(station, attempt, outcome)
    settled = settle_surely(station, attempt, outcome)
    release(station, attempt)
    if outcome.remote_ref is not None and outcome.reason == Reason.WORKER_LOST:
        remote.ask_for(station, [attempt.token])  # its guard ended it in a hurry
    spending.tell(station.database, attempt)
    pass_on(station, attempt, settled)
    return settled.status or settled.answer


def claim(station: Station, firing: UUID, celery_id: str | None) -> Claimed | None:
    """The gate first, then Postgres; None when somebody else has it, or nobody may have it now."""
    for _ in range(3):
        request = uuid4()
        told = _claim_in_gate(station, firing, request)
        if told == "UNKNOWN":
            # A late message, or a gate that forgot: what Postgres calls startable goes in line.
            station.admission.offer_again([firing])
            return None
        if told != "LEASED":
            return None
        asked_at = boottime()
        answer = _claim_in_postgres(station, firing, request, celery_id)
        if isinstance(answer, attempts.Attempt):
            event("slot.claimed", firing=firing, token=answer.token, attempt=answer.number, title=answer.title)
            return Claimed(answer, asked_at)
        if not _stand_back(station, firing, request, answer):
            return None
    return None


def _claim_in_gate(station: Station, firing: UUID, request: UUID) -> str:
    """The gate's answer; an answer that was lost is found by asking again with the same request."""
    lease_ms = round(station.refresh().lease_seconds * 1000)
    for last in (False, True):
        try:
            return station.admission.ask(lambda gate: gate.claim(firing, request, station.worker.id, lease_ms))
        except RedisError as error:
            trouble("claim.no_answer", error, firing=firing)
            if last:
                break
            time.sleep(_TRY_AGAIN_S)
    return "GATE_AWAY"


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


def run(station: Station, claimed: Claimed) -> Outcome:
    """Runs the payload under its guard, until nothing of it is left."""
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


class Record:
    """Writes what a payload says as it comes; while Postgres is away it keeps the newest for later."""

    def __init__(self, station: Station, attempt: attempts.Attempt) -> None:
        self._station, self._attempt = station, attempt
        self._waiting: list[tuple[int, str, dict[str, Any]]] = []
        self._seq = self._turns = 0
        self._used = Usage()
        self._remote_ref: str | None = None

    def __call__(self, events: list[Event]) -> None:
        """Writes a batch, in order, with what could not be written before."""
        for it in events:
            self._seq += 1
            self._turns += it.turns
            self._used = self._used.plus(it.usage)
            self._remote_ref = it.remote_ref or self._remote_ref
            self._waiting.append((self._seq, it.kind, it.data))
        del self._waiting[: -firing_events.KEEP]
        try:
            connection = self._station.database.connection()
            firing_events.add(connection, self._attempt.firing_id, self._attempt.token, self._waiting)
            progress.tell(connection, self._attempt.token, self._so_far())
        except psycopg.OperationalError as error:
            trouble("events.kept_back", error, firing=self._attempt.firing_id, waiting=len(self._waiting))
        else:
            self._waiting.clear()

    def _so_far(self) -> progress.Progress:
        used = self._used
        return progress.Progress(self._turns, used.input_tokens, used.output_tokens, used.cost_micros, self._remote_ref)


def record_exit(station: Station, attempt: attempts.Attempt, outcome: Outcome) -> None:
    """The end of the payload alone, by the token, before anything else can go wrong."""
    if outcome.reason == NOT_STARTED:
        return
    try:
        connection = station.database.connection()
        attempts.record_exit(connection, attempt.token, outcome.exit_code, outcome.reason, outcome.result)
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


def settle_surely(station: Station, attempt: attempts.Attempt, outcome: Outcome) -> Settled:
    """Settles, again and again while Postgres is away, until the reaper would settle in our place."""
    give_up_at = monotonic() + station.settings.exit_grace_s
    while True:
        try:
            streams = station.pressure.seen()
            told = None if streams is None else streams.count
            return settle(station.database, attempt.token, outcome, station.refresh(), told)
        except psycopg.OperationalError as error:
            trouble("settle.no_answer", error, firing=attempt.firing_id)
            if monotonic() >= give_up_at:
                return Settled("fenced")
            time.sleep(_TRY_AGAIN_S)


def release(station: Station, attempt: attempts.Attempt) -> None:
    """The slot goes to the next in line, in the same call; a gate that is away is told by the reconciler."""
    admission = station.admission
    try:
        admission.hand_over(admission.ask(lambda gate: gate.release(attempt.firing_id, attempt.request_id)))
    except (RedisError, OSError) as error:
        trouble("release.not_told", error, firing=attempt.firing_id)


def pass_on(station: Station, attempt: attempts.Attempt, settled: Settled) -> None:
    """What this end made startable: the firing itself when it was requeued, or its schedule's next one.

    And where it tripped or closed a class of failures, what that holds or lets go.
    """
    try:
        rearrange(station.admission, settled.classes)
        if settled.status == "queued":
            station.admission.offer_again([attempt.firing_id])
        elif attempt.schedule_id is not None:
            station.admission.offer_next_of([attempt.schedule_id])
    except (psycopg.Error, RedisError, OSError) as error:
        trouble("pass_on.failed", error, firing=attempt.firing_id)
