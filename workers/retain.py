"""Deletes what is too old to be kept, a batch at a time, for as long as a pass may take."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import psycopg

from shared.celery_app import RETAIN
from shared.clock import monotonic
from shared.events import event, trouble
from shared.settings import Settings
from shared.store import cadence, retention
from workers.station import Station

# Rows that one transaction deletes: few enough that nobody waits for it.
BATCH = 500
# What is left is the next pass's.
_AT_MOST_S = 20.0
# An answer that is given again must not be older than the request that it answers could be.
_KEEP_KEYS_DAYS = 2
_KEEP_LATENCIES_DAYS = 2
# Who signs in clears away what is over, so only where nobody does any more is there something left.
_KEEP_SIGN_INS_DAYS = 1


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; how many rows of each kind went.

    What hinders one kind hinders no other.
    """
    settings = station.refresh()
    connection = station.database.connection()
    if not cadence.take(connection, RETAIN, settings.retain_every_s):
        return {}
    counts, failed, until = Counter[str](), False, monotonic() + _AT_MOST_S
    for kind, keep in ages(settings):
        try:
            for gone in _batches(station, kind, keep):
                counts[f"{kind}_total"] += gone
                if monotonic() > until:
                    break
        except psycopg.Error as error:
            trouble("retain.failed", error, kind=kind)
            failed = True
    if counts:
        event("retain.deleted", **counts)
    cadence.finish(station.database.connection(), RETAIN, "failed" if failed else "ok", dict(counts))
    return dict(counts)


def ages(settings: Settings) -> list[tuple[retention.Kind, timedelta]]:
    """How long each kind is kept; the output of a firing goes before the firing."""
    return [
        ("events", timedelta(days=settings.keep_events_days)),
        ("metrics", timedelta(days=settings.keep_metrics_days)),
        ("activity", timedelta(days=settings.keep_activity_days)),
        ("firings", timedelta(days=settings.keep_firings_days)),
        ("skips", timedelta(days=settings.keep_firings_days)),
        ("alerts", timedelta(days=settings.keep_alerts_days)),
        ("idempotency_keys", timedelta(days=_KEEP_KEYS_DAYS)),
        ("stream_latencies", timedelta(days=_KEEP_LATENCIES_DAYS)),
        ("sign_ins", timedelta(days=_KEEP_SIGN_INS_DAYS)),
        ("failed_sign_ins", timedelta(days=_KEEP_SIGN_INS_DAYS)),
    ]


def _batches(station: Station, kind: retention.Kind, keep: timedelta) -> Iterator[int]:
    while gone := retention.forget(station.database.connection(), kind, keep, BATCH):
        yield gone
