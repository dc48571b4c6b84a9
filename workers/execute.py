"""A firing from claim to release as a straight line of named steps."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import psycopg
from redis.exceptions import RedisError

from shared.answers import Reservation
from shared.clock import boottime, monotonic, now
from shared.events import trouble
from shared.held import rearrange
from shared.rules.endings import NOT_STARTED
from shared.rules.reasons import Reason
from shared.store import attempts, firings
from shared.store.connection import AWAY, Postgres
from workers import remote, shop, spending, traces
from workers.check import Case, checked
from workers.claim import TRY_AGAIN_S, Claimed
from workers.outcome import Outcome
from workers.owed import Owed
from workers.preflight import preflight
from workers.record import Record
from workers.relay import Relay
from workers.settle import ALONE, Company, Part, Settled, settle
from workers.station import Station
from workers.targets import execute as execute_target
from workers.targets.terms import Allowance, Terms


def see_through(station: Station, claimed: Claimed, owed: Owed, relay: Relay) -> Settled:
    """One attempt from its payload's start to its rows' end, the relay along with it."""
    attempt, began = claimed.attempt, now()
    outcome = run(station, claimed, owed.pay)
    owed.pay_if_long()  # payloads so short that there was no moment for it
    if attempt.success_check is None:
        settled = settle_surely(station, attempt, outcome, relay, ahead=partial(exited, attempt, outcome))
    else:
        record_exit(station, attempt, outcome)
        settled = settle_surely(station, attempt, check(station, attempt, outcome), relay)
    owed.add(partial(traces.tell, attempt, began, now(), settled))
    if outcome.remote_ref is not None and _was_killed(outcome):
        owed.add(lambda: remote.ask_for(station, [attempt.token]))  # it had no time to end what it began elsewhere
    owed.add(lambda: spending.tell(station.database, attempt))
    return settled


def _was_killed(outcome: Outcome) -> bool:
    return outcome.reason == Reason.WORKER_LOST or (outcome.exit_code or 0) < 0


def run(station: Station, claimed: Claimed, meanwhile: Callable[[], None]) -> Outcome:
    """Runs the payload under its guard, until nothing of it is left; `meanwhile` is done while it runs."""
    attempt, settings = claimed.attempt, station.settings
    record = Record(station, attempt)
    unfit = preflight(station, attempt, record)
    if unfit is not None:
        return unfit
    if boottime() >= claimed.asked_at + settings.lease_seconds - settings.guard_margin_s:
        return Outcome(NOT_STARTED, "the claim took so long that its lease was nearly over")
    # Which attempts it interrupts, a worker that closes says once: of one that was claimed and not begun by then, it
    # does not know, and a loss of the worker would be charged to it.
    if not shop.is_open():
        return Outcome(NOT_STARTED, "its worker closes")
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
        result = None if attempt.success_check is None else outcome.result
        attempts.record_exit(connection, attempt.token, outcome.exit_code, outcome.reason, result)


def record_exit(station: Station, attempt: attempts.Attempt, outcome: Outcome) -> None:
    """The end of the payload, before its check: that may take its time, and anything can go wrong meanwhile."""
    try:
        exited(attempt, outcome, station.database.connection())
    except AWAY as error:
        trouble("exit.not_recorded", error, firing=attempt.firing_id)


def check(station: Station, attempt: attempts.Attempt, outcome: Outcome) -> Outcome:
    """What the schedule's success check makes of the outcome; one that cannot be made is not green."""
    case = Case(attempt.success_check, str(attempt.firing_id), attempt.token)
    try:
        return checked(station, outcome, case)
    except Exception as error:  # noqa: BLE001 whatever went wrong here, the firing must not stay running
        trouble("check.failed", error, firing=attempt.firing_id)
        return replace(outcome, reason=Reason.CHECK_FAILED, error=f"{type(error).__name__}: {error}")


def settle_surely(
    station: Station, attempt: attempts.Attempt, outcome: Outcome, relay: Relay, ahead: Part | None = None
) -> Settled:
    """Settles, again and again while Postgres is away, until the reaper would settle in our place.

    What goes `ahead`, the exit, is sent with the first try: alone and first, and not waited for. So does the relay go
    along with the first try only: whatever went wrong, the next one is the settle and nothing else.
    """
    give_up_at = monotonic() + station.settings.exit_grace_s
    company = Company(ahead, relay.sure, relay.along)
    relay.begin()
    while True:
        try:
            settings, streams = station.refresh(), station.streams()
            settled = settle(station.database, attempt.token, outcome, settings, streams, company)
        except psycopg.Error as error:
            if company is ALONE and not isinstance(error, AWAY):
                raise
            trouble("settle.no_answer", error, firing=attempt.firing_id)
            company = ALONE
            if monotonic() >= give_up_at:
                return Settled("fenced")
            time.sleep(TRY_AGAIN_S)
        else:
            if company is not ALONE:
                relay.heard()
            return settled


def pass_on(station: Station, attempt: attempts.Attempt, settled: Settled) -> list[Reservation]:
    """What this end made startable: the firing itself when it was requeued for now, or its schedule's next one.

    And where it tripped or closed a class of failures, what that holds or lets go.
    """
    admission = station.admission
    try:
        rearrange(admission, settled.classes)
        connection, found = station.database.connection(), list[firings.InLine]()
        if settled.status == "queued":
            found = firings.startable_among(connection, [attempt.firing_id])
        if not found and attempt.schedule_id is not None and settled.has_next:
            found = firings.startable_of(connection, [attempt.schedule_id])
        return admission.put_in_line(found)
    except (psycopg.Error, RedisError, OSError) as error:
        trouble("pass_on.failed", error, firing=attempt.firing_id)
    return []
