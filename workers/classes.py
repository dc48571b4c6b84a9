"""What the end of an attempt says about the class of its failure: it trips one, probes one, or closes it (STR-6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from shared.events import event
from shared.rules.endings import INTERRUPTED, NOT_STARTED
from shared.rules.failure_classes import Evidence, Judged, Patience, class_key, judge, probe_after
from shared.rules.reasons import of_outside_world
from shared.settings import Settings
from shared.store import activity, alerts, failure_classes
from shared.store.connection import Postgres
from shared.store.failure_classes import Failed
from shared.store.settlement import Ended


@dataclass(frozen=True)
class Learnt:
    """`held`: the failure is not the schedule's own, as far as anybody knows. `alone`: no class is tripped for it.

    `only`: and no other schedule has failed so lately. `changed`: classes that tripped or closed, so that firings wait
    or go on.
    """

    held: bool = False
    alone: bool = False
    only: bool = False
    changed: tuple[str, ...] = ()


def lock_classes(connection: Postgres, ended: Iterable[Ended]) -> None:
    """Takes what these may close or have probed, first of all that endings write, so that no two wait for each other.

    One that completes closes its class before its workspace's row is written, and one that failed has to be written
    before it is judged.
    """
    firings = [it.firing_id for it in ended if it.class_tripped]
    if firings:
        failure_classes.lock_of(connection, firings)


def learn(connection: Postgres, ended: Ended, reason: str | None, settings: Settings) -> Learnt:
    """Judges one attempt that has been ended, in the transaction that ended it."""
    if reason is None:
        return Learnt(changed=_close(connection, ended))
    if not is_judged(reason):
        return Learnt()  # it says nothing of the class; if it was the probe, another one is named
    patience = patience_of(settings)
    if ended.class_tripped:
        for key, probes in failure_classes.probed_by(connection, ended.firing_id):
            failure_classes.probe_failed(connection, key, probe_after(probes + 1, patience))
            event("class.probe_failed", key=key, firing=ended.firing_id, probes=probes + 1)
    failed = _failed(ended, reason)
    if failed is None:
        return Learnt()
    seen = failure_classes.evidence(connection, failed, patience.window)
    judged = judge(seen, patience.schedules)
    if judged.trips:
        _trip(connection, ended, failed, seen.failing, patience)
    return _learnt(judged, failed, seen)


def is_judged(reason: str | None) -> bool:
    """Whether a failure for this reason says something of others of its class."""
    return reason not in (None, INTERRUPTED, NOT_STARTED) and of_outside_world(reason)


def patience_of(settings: Settings) -> Patience:
    """The settings as the rules take them."""
    return Patience(
        schedules=settings.class_trip_schedules,
        window=timedelta(seconds=settings.class_trip_window_s),
        first_probe=timedelta(seconds=settings.probe_delay_s),
        slowest_probe=timedelta(seconds=settings.probe_max_delay_s),
    )


def _failed(ended: Ended, reason: str) -> Failed | None:
    """None for what has no schedule: nobody's streak, and nobody's voice."""
    since = ended.last_run_at or ended.schedule_made_at
    if ended.schedule_id is None or since is None:
        return None
    place = failure_classes.place_of(reason, ended.workspace_id, ended.place)
    return Failed(class_key(reason, place), reason, place, ended.workspace_id, ended.schedule_id, since)


def _learnt(judged: Judged, failed: Failed, seen: Evidence) -> Learnt:
    changed = (failed.key,) if judged.trips else ()
    alone = judged.held and not seen.tripped and not judged.trips
    return Learnt(judged.held, alone, alone and seen.failing == 1, changed)


def _trip(connection: Postgres, ended: Ended, failed: Failed, schedules: int, patience: Patience) -> None:
    failure_classes.trip(connection, failed, schedules, probe_after(0, patience))
    body = {"key": failed.key, "schedules": schedules}
    activity.add(connection, activity.Deed("class_tripped", "slotbeat", body, **ended.about))
    words = (
        f"{schedules} schedules failed as {failed.reason} within {patience.window.total_seconds():.0f} s."
        " Their streaks are held, and what else is due there waits; one firing at a time tries whether it is over."
        f" To let all go on: slotbeat failure-class release '{failed.key}'"
    )
    alerts.add_of(connection, "class_tripped", f"{failed.reason} at {failed.place}", words, failed.key)
    event("class.tripped", key=failed.key, schedules=schedules)


def _close(connection: Postgres, ended: Ended) -> tuple[str, ...]:
    if not ended.class_tripped:
        return ()
    keys = failure_classes.heal_of(connection, ended.firing_id)
    for key in keys:
        body = {"key": key, "by": "a firing completed"}
        activity.add(connection, activity.Deed("class_closed", "slotbeat", body, **ended.about))
        event("class.closed", key=key, firing=ended.firing_id)
    return tuple(keys)
