"""How often each maintenance task is sent: one table, read like a timetable."""

from shared.celery_app import REAP, RECONCILE, SWEEP, WAKE
from shared.settings import Settings


def timetable(settings: Settings) -> dict[str, float]:
    """Seconds between two passes, by task."""
    return {
        REAP: settings.reap_every_s,
        RECONCILE: settings.reconcile_every_s,
        SWEEP: settings.sweep_every_s,
        WAKE: settings.wake_every_s,
    }
