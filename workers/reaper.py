"""The sweep over attempts that outlived a lease: verdict by verdict, each row on its own."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import assert_never
from uuid import UUID

import psycopg
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.celery_app import REAP
from shared.clock import monotonic
from shared.events import event, trouble
from shared.held import rearrange
from shared.rules.endings import INTERRUPTED
from shared.rules.reasons import Reason
from shared.rules.verdict import Abort, Clocks, Exited, Fail, Keep, Requeue, Seen, Settle, Verdict, verdict
from shared.settings import Settings
from shared.store import cadence, liveness, processes
from shared.store.liveness import LiveAttempt
from workers import remote, restart
from workers.check import Case, checked
from workers.outcome import Outcome
from workers.settle import Settled, settle_together
from workers.station import Station

# Attempts read at once, reads in a sweep, and attempts that one transaction ends: long enough to be quick, short
# enough to keep nobody waiting for the rows.
BATCH = 1000
BATCHES = 50
TOGETHER = 100

Condemned = tuple[LiveAttempt, Outcome]


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
        restart.tidy(station)
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
    """Ends the attempts of this worker's former self at once, as `Worker.outlived` knows it; how many were ended.

    Its strays must have been ended first. Of a worker in another container nobody here can see whether it lives,
    whatever its name: its attempts are left to the sweeps.
    """
    worker, ended = station.worker, 0
    for known in processes.listing(station.database.connection()):
        if known.kind == "worker" and worker.outlived(vars(known) | {"pid_namespace": known.pid_namespace}):
            processes.leave(station.database.connection(), known.id)
    for suspect in liveness.of_host(station.database.connection(), worker.node, worker.boot_id):
        if not worker.outlived(suspect.worker):
            continue
        try:
            ended += _reap_gone(station, suspect)
        except Exception as error:  # noqa: BLE001 what is wrong with this row, the sweeps will see too
            trouble("reaper.row_failed", error, token=suspect.token, firing=suspect.firing_id)
    station.guards.close()  # of success checks; payloads are not run here
    return ended


def reap_orphan(station: Station, token: int) -> bool:
    """Ends at once the attempt of a pool child that died, as its guard has said, of whose payload nothing is left.

    For a thread of its own. If it fails, the sweeps find the attempt when its lease is over, or its exit's grace. So
    they do where a success check is to be made: a process that is begun here, while another thread forks the next
    pool child, may leave that one with its files, and would be waited for until that one ends.
    """
    try:
        suspect = liveness.live(station.database.connection(), token)
        if suspect is None or (suspect.success_check is not None and suspect.exited_at is not None):
            return False
        return _reap_gone(station, suspect)
    except Exception as error:  # noqa: BLE001 nobody is above to hear of it
        trouble("reaper.row_failed", error, token=token)
        return False
    finally:
        station.database.close()


def _reap_gone(station: Station, suspect: LiveAttempt) -> bool:
    known = replace(seen(suspect, suspect.dead_ticks), worker_gone=True)
    outcome = outcome_of(verdict(known, suspect.now, clocks_of(station.settings)), suspect)
    condemned = [] if outcome is None else list(_checked(station, [(suspect, outcome)], station.settings))
    done = _reap(station, condemned, station.settings) if condemned else Counter[str]()
    told = {name: count for name, count in done.items() if name.endswith("_total")}
    if told:
        # Beside the sweeps' own: workers that die and come back end most of what they had in this way.
        cadence.add(station.database.connection(), REAP, told)
    return bool(told)


def _sweep(station: Station, settings: Settings) -> Counter[str]:
    counts: Counter[str] = Counter()
    grace, after = timedelta(seconds=settings.reap_grace_s), None
    for _ in range(BATCHES):
        found = liveness.suspects(station.database.connection(), grace, BATCH, after)
        counts += judge(station, found, settings)
        if len(found) < BATCH:
            break
        after = (found[-1].heartbeat_expires_at, found[-1].token)
    return counts


def judge(station: Station, suspects: Sequence[LiveAttempt], settings: Settings) -> Counter[str]:
    """What was done about suspects, by verdict, and how many rows it failed for."""
    counts: Counter[str] = Counter()
    condemned: list[Condemned] = []
    ticks = _tick(station, suspects, settings)
    for suspect in suspects:
        try:
            known = seen(suspect, ticks.get(suspect.token, suspect.dead_ticks))
            outcome = outcome_of(verdict(known, suspect.now, clocks_of(settings)), suspect)
        except Exception as error:  # noqa: BLE001 whatever is wrong with this row, the others are due
            counts += _failed(suspect, error)
        else:
            condemned += [] if outcome is None else [(suspect, outcome)]
    for batch in apart(list(_checked(station, condemned, settings))):
        counts += _reap(station, batch, settings)
    return counts


def _checked(station: Station, condemned: Sequence[Condemned], settings: Settings) -> Iterator[Condemned]:
    """With their success checks made; those that this sweep has no time for are left to the next one."""
    until = monotonic() + settings.reap_every_s
    for suspect, outcome in condemned:
        if outcome.reason is not None or suspect.success_check is None:
            yield suspect, outcome
        elif monotonic() < until:
            try:
                case = Case(suspect.success_check, str(suspect.firing_id), suspect.token)
                yield suspect, checked(station, outcome, case)
            except Exception as error:  # noqa: BLE001 the next sweep tries again
                trouble("reaper.row_failed", error, token=suspect.token, firing=suspect.firing_id)


def apart(condemned: Sequence[Condemned]) -> Iterator[list[Condemned]]:
    """In batches of which each has at most one attempt of a schedule, since each reads its streaks."""
    waiting = list(condemned)
    while waiting:
        batch: list[Condemned] = []
        later: list[Condemned] = []
        schedules: set[UUID | None] = set()
        for it in waiting:
            schedule = it[0].schedule_id
            fits = len(batch) < TOGETHER and (schedule is None or schedule not in schedules)
            (batch if fits else later).append(it)
            schedules.add(schedule)
        yield batch
        waiting = later


def _reap(station: Station, batch: Sequence[Condemned], settings: Settings) -> Counter[str]:
    """Ends attempts together; where one of them cannot be ended, half of them, so that it hinders nobody for long.

    An OperationalError where it was Postgres that went away, and not a row: then there is nobody left to try.
    """
    try:
        told = settle_together(station.database, [(suspect.token, it) for suspect, it in batch], settings)
    except Exception as error:  # noqa: BLE001 whatever is wrong with this row, the others are due
        station.database.connection()
        if len(batch) == 1:
            return _failed(batch[0][0], error)
        half = len(batch) // 2
        return _reap(station, batch[:half], settings) + _reap(station, batch[half:], settings)
    done = [(*one, settled) for one, settled in zip(batch, told, strict=True) if settled.answer == "ok"]
    try:
        _tell(station, done)
    except (psycopg.Error, RedisError, OSError) as error:
        trouble("reaper.not_told", error, firings=len(done))  # the reconciler sees it
    return Counter(f"{_word(outcome, settled)}_total" for _, outcome, settled in done)


def _failed(suspect: LiveAttempt, error: Exception) -> Counter[str]:
    trouble("reaper.row_failed", error, token=suspect.token, firing=suspect.firing_id)
    return Counter(failed_rows=1)


def _word(outcome: Outcome, settled: Settled) -> str:
    return "requeued" if settled.status == "queued" else outcome.reason or "completed"


def clocks_of(settings: Settings) -> Clocks:
    """The settings as the verdict takes them."""
    return Clocks(
        reap_grace=timedelta(seconds=settings.reap_grace_s),
        abort_grace=timedelta(seconds=settings.abort_grace_s),
        exit_grace=timedelta(seconds=settings.exit_grace_s),
        sweep_every=timedelta(seconds=settings.reap_every_s),
        dead_ticks=settings.dead_ticks,
        enabled=settings.reaper_enabled,
    )


def _tick(station: Station, suspects: Sequence[LiveAttempt], settings: Settings) -> dict[int, int]:
    grace = timedelta(seconds=settings.reap_grace_s)
    late = [(it.token, it.heartbeat_expires_at) for it in suspects if it.heartbeat_expires_at + grace < it.now]
    return liveness.mark_dead_ticks(station.database.connection(), late) if late else {}


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
            return Outcome(why, exit_code=code, result=suspect.exit_result, turns=suspect.turns, by="reaper")
        case Requeue(reason, charged):
            error = "its worker, or the process in it that ran this, was lost"
            return Outcome(reason if charged else INTERRUPTED, error, turns=suspect.turns, by="reaper")
        case Fail(reason):
            return Outcome(reason, _WHY.get(reason, ""), turns=suspect.turns, by="reaper")
        case _:
            assert_never(found)


_WHY = {
    Reason.WORKER_LOST: "its worker was lost, or gave no sign until its lease was over, and no attempt is left",
    Reason.LEASE_EXPIRED: "it ran for longer than its run lease",
}


def _tell(station: Station, done: Sequence[tuple[LiveAttempt, Outcome, Settled]]) -> None:
    """After the rows: the workers, the gate, the next in line, and a courtesy to Celery, which only Flower sees."""
    admission = station.admission
    by_reason: dict[str, list[UUID]] = {}
    for suspect, outcome, settled in done:
        event("firing.reaped", firing=suspect.firing_id, reason=outcome.reason, status=settled.status)
        by_reason.setdefault(outcome.reason or "ended", []).append(suspect.firing_id)
    for reason, firings in by_reason.items():
        admission.tell_workers(firings, reason)
    with suppress(OperationalError, OSError):
        admission.app.control.revoke([it.celery_task_id for it, _, _ in done if it.celery_task_id is not None])
    remote.ask_for(station, [it.token for it, _, _ in done])
    leases = [(it.firing_id, it.request_id) for it, _, _ in done]
    admission.hand_over(admission.ask(lambda gate: gate.release_each(leases)))
    rearrange(admission, sorted({key for _, _, settled in done for key in settled.classes}))
    admission.offer_again([it.firing_id for it, _, settled in done if settled.status == "queued"])
    # Of those that are queued again too: one that waits for its next try has its schedule go on meanwhile.
    admission.offer_next_of([it.schedule_id for it, _, _ in done if it.schedule_id is not None])
