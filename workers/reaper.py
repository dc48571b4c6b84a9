"""The sweep over attempts that outlived a lease: verdict by verdict, each row on its own."""

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

import psycopg
from kombu.exceptions import OperationalError

from shared.celery_app import REAP
from shared.events import event, trouble
from shared.rules.reasons import Reason
from shared.rules.verdict import Abort, Clocks, Exited, Fail, Keep, Requeue, Seen, Settle, Verdict, verdict
from shared.settings import Settings
from shared.store import attempts, cadence, processes
from shared.store.attempts import LiveAttempt
from workers import tree
from workers.outcome import INTERRUPTED, Outcome
from workers.settle import Settled, settle
from workers.station import Station

BATCH = 1000


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; what was done, by verdict.

    Judges by Postgres alone. One bad row, or a failed query, never stops the sweep.
    """
    settings = station.refresh()
    if not cadence.take(station.database.connection(), REAP, settings.reap_every_s):
        return {}
    if not settings.reaper_enabled:
        event("reaper.disabled", level=logging.WARNING)
        cadence.finish(station.database.connection(), REAP, "disabled", {})
        return {}
    if not own_worker_is_well(station, settings):
        cadence.finish(station.database.connection(), REAP, "unwell", {})
        return {}
    try:
        counts = _sweep(station, settings)
    except psycopg.Error as error:
        trouble("reaper.failed", error)
        cadence.finish(station.database.connection(), REAP, "failed", {})
        return {}
    cadence.finish(station.database.connection(), REAP, "ok", dict(counts))
    return dict(counts)


def own_worker_is_well(station: Station, settings: Settings) -> bool:
    """Whether this worker itself gave a sign lately; after a sleep or a pause it renews before it judges.

    Whoever was asleep does not know who else was: a laptop that wakes, or a paused virtual machine, would
    otherwise find everybody dead, itself included.
    """
    age_s = processes.age_s(station.database.connection(), station.worker.id)
    if age_s is None or age_s <= settings.lease_seconds / 2:
        return True
    event("reaper.own_worker_silent", level=logging.WARNING, age_s=age_s)
    station.tell_keeper(b"renew now")
    return False


def reap_former_self(station: Station) -> int:
    """Ends the attempts of this worker's former self at once: same node and boot, its process gone.

    Its strays must have been ended first. A neighbour on the same host has another node name, and one that
    lives has its process. How many were ended.
    """
    worker, ended = station.worker, 0
    for known in processes.listing(station.database.connection()):
        of_us = (known.kind, known.node, known.boot_id) == ("worker", worker.node, worker.boot_id)
        if of_us and not _is_alive(known.pid, known.pid_start):
            processes.leave(station.database.connection(), known.id)
    for suspect in attempts.of_host(station.database.connection(), worker.node, worker.boot_id):
        if _is_alive(suspect.worker.get("pid"), suspect.worker.get("pid_start")):
            continue
        try:
            ended += _reap_gone(station, suspect)
        except Exception as error:  # noqa: BLE001 what is wrong with this row, the sweeps will see too
            trouble("reaper.row_failed", error, token=suspect.token, firing=suspect.firing_id)
    return ended


def _reap_gone(station: Station, suspect: LiveAttempt) -> bool:
    known = replace(seen(suspect, suspect.dead_ticks), worker_gone=True)
    found = verdict(known, suspect.now, clocks_of(station.settings, suspect.lease_ms))
    outcome = outcome_of(found, suspect)
    if outcome is None:
        return False
    settled = settle(station.database, suspect.token, outcome, station.settings)
    if settled.answer == "ok":
        _tell(station, suspect, outcome, settled)
    return settled.answer == "ok"


def _is_alive(pid: int | None, pid_start: int | None) -> bool:
    found = None if pid is None else tree.look(pid)
    return found is not None and found.start == pid_start and found.alive()


def _sweep(station: Station, settings: Settings) -> Counter[str]:
    counts: Counter[str] = Counter()
    grace = timedelta(seconds=settings.reap_grace_s)
    for suspect in attempts.suspects(station.database.connection(), grace, BATCH):
        try:
            done = judge(station, suspect, settings)
        except Exception as error:  # noqa: BLE001 whatever is wrong with this row, the others are due
            trouble("reaper.row_failed", error, token=suspect.token, firing=suspect.firing_id)
            counts["failed_rows"] += 1
        else:
            if done is not None:
                counts[f"{done}_total"] += 1
    return counts


def judge(station: Station, suspect: LiveAttempt, settings: Settings) -> str | None:
    """What was done about one suspect, in a word; None: nothing."""
    clocks = clocks_of(settings, suspect.lease_ms)
    suspect_ticks = _tick(station, suspect, clocks)
    found = verdict(seen(suspect, suspect_ticks), suspect.now, clocks)
    outcome = outcome_of(found, suspect)
    if outcome is None:
        return None
    settled = settle(station.database, suspect.token, outcome, settings)
    if settled.answer != "ok":
        return None
    _tell(station, suspect, outcome, settled)
    return "requeued" if settled.status == "queued" else outcome.reason or "completed"


def clocks_of(settings: Settings, lease_ms: int) -> Clocks:
    """The settings as the verdict takes them; the renewal interval is of the lease the attempt was claimed with."""
    return Clocks(
        reap_grace=timedelta(seconds=settings.reap_grace_s),
        abort_grace=timedelta(seconds=settings.abort_grace_s),
        exit_grace=timedelta(seconds=settings.exit_grace_s),
        sweep_every=timedelta(seconds=settings.reap_every_s),
        renew_every=timedelta(milliseconds=lease_ms / 4),
        dead_ticks=settings.dead_ticks,
        enabled=settings.reaper_enabled,
    )


def _tick(station: Station, suspect: LiveAttempt, clocks: Clocks) -> int:
    if suspect.heartbeat_expires_at + clocks.reap_grace >= suspect.now:
        return suspect.dead_ticks
    ticks = attempts.mark_dead_tick(station.database.connection(), suspect.token, suspect.heartbeat_expires_at)
    return suspect.dead_ticks if ticks is None else ticks


def seen(suspect: LiveAttempt, dead_ticks: int) -> Seen:
    """A row as the verdict takes it."""
    exited = None
    if suspect.exited_at is not None and suspect.exit_code is not None:
        exited = Exited(suspect.exit_code, suspect.exited_at)
    return Seen(
        run_expires_at=suspect.run_expires_at,
        heartbeat_expires_at=suspect.heartbeat_expires_at,
        dead_ticks=dead_ticks,
        exited=exited,
        abort=None if suspect.abort_reason is None else Abort(Reason(suspect.abort_reason)),
        interrupting=suspect.interrupting,
        charged=suspect.attempt_count,
        max_attempts=suspect.max_attempts,
        interrupted=suspect.interrupted_count,
    )


def outcome_of(found: Verdict, suspect: LiveAttempt) -> Outcome | None:
    """A verdict as an outcome to settle; None: leave it alone."""
    match found:
        case Keep():
            return None
        case Settle(code, reason):
            why = suspect.exit_reason or reason or (None if code == 0 else Reason.EXIT_NONZERO)
            return Outcome(why, exit_code=code, turns=suspect.turns, by="reaper")
        case Requeue(reason, charged):
            error = "its worker gave no sign of life until its lease was over"
            return Outcome(reason if charged else INTERRUPTED, error, turns=suspect.turns, by="reaper")
        case Fail(reason):
            return Outcome(reason, _WHY.get(reason, ""), turns=suspect.turns, by="reaper")
        case _:
            assert_never(found)


_WHY = {
    Reason.WORKER_LOST: "its worker gave no sign of life until its lease was over, and no attempt is left",
    Reason.LEASE_EXPIRED: "it ran for longer than its run lease",
}


def _tell(station: Station, suspect: LiveAttempt, outcome: Outcome, settled: Settled) -> None:
    """After the rows: the gate, the next in line, and a courtesy to Celery, which only Flower sees."""
    event("firing.reaped", firing=suspect.firing_id, reason=outcome.reason, status=settled.status)
    admission = station.admission
    admission.tell_abort(suspect.firing_id, suspect.request_id, outcome.reason or "ended")
    if suspect.celery_task_id is not None:
        with suppress(OperationalError, OSError):
            admission.app.control.revoke(suspect.celery_task_id)
    admission.hand_over(admission.ask(lambda gate: gate.release(suspect.firing_id, suspect.request_id)))
    if settled.status == "queued":
        admission.offer_again([suspect.firing_id])
    elif suspect.schedule_id is not None:
        admission.offer_next_of(suspect.schedule_id)
