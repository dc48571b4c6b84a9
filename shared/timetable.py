"""How often each maintenance task is to run: beat sends them by it, the doctor misses them by it."""

from shared.celery_app import ALERT, REAP, RECONCILE, RETAIN, SWEEP, TALLY, WAKE
from shared.settings import Settings


def timetable(settings: Settings) -> dict[str, float]:
    """Seconds between two passes, by task."""
    return {
        REAP: settings.reap_every_s,
        RECONCILE: settings.reconcile_every_s,
        SWEEP: settings.sweep_every_s,
        WAKE: settings.wake_every_s,
        ALERT: settings.alert_every_s,
        TALLY: settings.tally_every_s,
        RETAIN: settings.retain_every_s,
    }
