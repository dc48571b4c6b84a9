"""Holds Redis against Postgres: re-reads each difference by id, then heals it."""

from collections import Counter
from itertools import islice
from uuid import UUID

import psycopg
from redis.exceptions import RedisError

from shared.answers import Unseeded
from shared.celery_app import RECONCILE
from shared.events import event, trouble
from shared.store import cadence, firings, processes, running
from workers.station import Station

BATCH = 1000
# A reservation that nobody claimed for so long: its message may be lost. One that Postgres does not know may
# be a run-now between its two steps; after so long it is one whose caller died.
UNCLAIMED_MS = 5000


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; what was healed, by kind. In a healthy system: nothing."""
    settings = station.refresh()
    if not cadence.take(station.database.connection(), RECONCILE, settings.reconcile_every_s):
        return {}
    try:
        counts = _heal(station)
        processes.forget_silent(station.database.connection())
    except (psycopg.Error, RedisError, Unseeded, OSError) as error:
        trouble("reconcile.failed", error)
        cadence.finish(station.database.connection(), RECONCILE, "failed", {})
        return {}
    cadence.finish(station.database.connection(), RECONCILE, "ok", dict(counts))
    if counts:
        event("reconcile.healed", **counts)
    return dict(counts)


def _heal(station: Station) -> Counter[str]:
    station.admission.make_whole()
    return (
        _overdue(station)
        + _lost_messages(station)
        + _strangers(station)
        + _unknown_running(station)
        + _unknown_queued(station)
    )


def _overdue(station: Station) -> Counter[str]:
    """Past their lease in Redis, and queued in Postgres: back to their place in line; nothing is charged.

    A reservation that no worker claimed, or a lease whose worker died before Postgres heard of it.
    """
    counts: Counter[str] = Counter()
    admission = station.admission
    overdue = admission.ask(lambda g: g.expired(BATCH))
    known = running.statuses(station.database.connection(), [it.firing for it in overdue])
    for held in overdue:
        if known.get(held.firing, ("", None))[0] != "queued":
            continue
        if held.state == "reserved":
            admission.withdraw([held.firing])
            admission.offer_again([held.firing])
            counts["start_lease_over_total"] += 1
        elif held.state == "leased":
            admission.hand_over(admission.ask(lambda g, it=held: g.put_back(it.firing, UUID(it.request))))
            counts["claim_lost_total"] += 1
    return counts


def _lost_messages(station: Station) -> Counter[str]:
    """Reserved for over 5 s: published again, if Postgres still knows it as queued."""
    admission = station.admission
    unclaimed = admission.ask(lambda g: g.unclaimed(UNCLAIMED_MS, BATCH))
    if not unclaimed:
        return Counter()
    known = running.statuses(station.database.connection(), [it.firing for it in unclaimed])
    queued = [it for it in unclaimed if known.get(it.firing, ("", None))[0] == "queued"]
    admission.hand_over(queued)
    return Counter({"published_again_total": len(queued)} if queued else {})


def _strangers(station: Station) -> Counter[str]:
    """In Redis, neither queued nor running: withdrawn. A lease whose request has ended: released."""
    counts: Counter[str] = Counter()
    members = iter(station.admission.gate.members())
    while batch := list(islice(members, BATCH)):
        known = running.statuses(station.database.connection(), batch)
        young = {it.firing for it in station.admission.ask(lambda g: g.unclaimed(0, BATCH))} - {
            it.firing for it in station.admission.ask(lambda g: g.unclaimed(UNCLAIMED_MS, BATCH))
        }
        gone = [it for it in batch if known.get(it, ("", None))[0] not in ("queued", "running") and it not in young]
        counts += _let_go(station, gone)
    return counts


def _let_go(station: Station, gone: list[UUID]) -> Counter[str]:
    counts: Counter[str] = Counter()
    admission = station.admission
    for held in admission.ask(lambda g: g.states(gone)) if gone else []:
        if held.state == "leased":
            admission.hand_over(admission.ask(lambda g, held=held: g.release(held.firing, UUID(held.request))))
            counts["released_total"] += 1
        elif held.state:
            admission.withdraw([held.firing])
            counts["withdrawn_total"] += 1
    return counts


def _unknown_running(station: Station) -> Counter[str]:
    """Live in Postgres, not leased in Redis by the same request: seated."""
    live = running.running(station.database.connection())
    if not live:
        return Counter()
    seated = station.admission.seat(live)
    return Counter({"seated_total": seated} if seated else {})


def _unknown_queued(station: Station) -> Counter[str]:
    """Queued, startable, unknown to Redis: offered."""
    counts: Counter[str] = Counter()
    after = -1
    while waiting := firings.startable(station.database.connection(), after, BATCH):
        after = waiting[-1].line_no
        states = station.admission.ask(lambda g, waiting=waiting: g.states([it.id for it in waiting]))
        unknown = [it for it, held in zip(waiting, states, strict=True) if not held.state]
        if unknown:
            station.admission.offer(unknown)
            counts["offered_total"] += len(unknown)
    station.admission.fill()
    return counts
