"""The reaper's verdict on one attempt: what is known goes in, what is to be done comes out (REA-1 to REA-7).

All moments are of Postgres's clock. The order of the questions is the protocol's: the first that matches.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.rules.endings import MOST_INTERRUPTIONS
from shared.rules.reasons import Reason, ends_as
from shared.rules.states import State


@dataclass(frozen=True, slots=True)
class Exited:
    """The payload's recorded end: its exit code (negative: a signal), and when it was written."""

    code: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Abort:
    """Somebody asked for the payload to be stopped."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rows say about an attempt.

    `fenced`: it has ended, or its firing is not running under its token. `worker_gone`: known for certain
    (its former self, strays killed), not inferred. `charged`: attempts of the firing that count, this one
    among them; `interrupted`: requeues that did not. `heartbeat_expires_at`: None if liveness is unknown.
    """

    run_expires_at: datetime
    heartbeat_expires_at: datetime | None
    dead_ticks: int = 0
    exited: Exited | None = None
    abort: Abort | None = None
    fenced: bool = False
    worker_gone: bool = False
    interrupting: bool = False
    charged: int = 1
    max_attempts: int = 1
    interrupted: int = 0


@dataclass(frozen=True, slots=True)
class Clocks:
    """How long each thing is waited for; `enabled` is the kill switch (REA-8)."""

    reap_grace: timedelta = timedelta(seconds=15)
    abort_grace: timedelta = timedelta(seconds=10)
    exit_grace: timedelta = timedelta(seconds=300)
    sweep_every: timedelta = timedelta(seconds=10)
    dead_ticks: int = 2
    max_interruptions: int = MOST_INTERRUPTIONS
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave it alone; `why` is one of a few fixed words, for whoever reads or tests the rule."""

    why: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle in the worker's place, by the exit code; a code other than 0 fails for `reason` if it is set."""

    code: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Requeue:
    """Back to its old place in line; `charged`: this attempt counts (else `interrupted_count` rises)."""

    reason: Reason
    charged: bool = True


@dataclass(frozen=True, slots=True)
class Fail:
    """End the firing, in `state`."""

    reason: Reason

    @property
    def state(self) -> State:
        """`failed`, or `cancelled` where a person wished it so."""
        return ends_as(self.reason)


Verdict = Keep | Settle | Requeue | Fail


def verdict(seen: Seen, now: datetime, rules: Clocks) -> Verdict:
    """What the reaper is to do with the attempt at `now`."""
    if not rules.enabled:
        return Keep("disabled")
    if seen.fenced:
        return Keep("fenced")
    if seen.exited:
        return _by_exit(seen, seen.exited, now, rules)
    ending = _by_clocks(seen, now, rules)
    if seen.abort and not isinstance(ending, Keep):
        return Fail(seen.abort.reason)  # whichever clock freed the slot: it ends as requested, never requeued
    return ending


def _by_exit(seen: Seen, exited: Exited, now: datetime, rules: Clocks) -> Verdict:
    if not seen.worker_gone and now - exited.at < rules.exit_grace:
        return Keep("exited")
    if seen.abort:
        return Settle(exited.code, seen.abort.reason)
    return Settle(exited.code, Reason.LEASE_EXPIRED if exited.at >= seen.run_expires_at else None)


def _by_clocks(seen: Seen, now: datetime, rules: Clocks) -> Keep | Requeue | Fail:
    """Heartbeat lost, run lease, ceiling, in this order."""
    if _is_lost(seen, now, rules):
        return _lost(seen, rules)
    if seen.heartbeat_expires_at is not None and seen.heartbeat_expires_at >= now:
        overrun = seen.run_expires_at + rules.abort_grace + 2 * rules.sweep_every
        return Fail(Reason.LEASE_EXPIRED) if now >= overrun else Keep("alive")
    if now >= seen.run_expires_at + 2 * rules.exit_grace:
        return _lost(seen, rules)
    return Keep("unknown")


def _is_past(heartbeat_expires_at: datetime, now: datetime, rules: Clocks) -> bool:
    return heartbeat_expires_at + rules.reap_grace < now


def _is_lost(seen: Seen, now: datetime, rules: Clocks) -> bool:
    if seen.worker_gone:
        return True
    if seen.heartbeat_expires_at is None or not _is_past(seen.heartbeat_expires_at, now, rules):
        return False
    # After an abort the guard's deadline and the grace are enough: there is nothing to requeue by mistake.
    return seen.abort is not None or seen.dead_ticks >= rules.dead_ticks


def _lost(seen: Seen, rules: Clocks) -> Requeue | Fail:
    if seen.interrupting and seen.interrupted < rules.max_interruptions:
        return Requeue(Reason.WORKER_LOST, charged=False)
    if seen.charged < seen.max_attempts:
        return Requeue(Reason.WORKER_LOST)
    return Fail(Reason.WORKER_LOST)
