"""Folds what ended into counters and spans of spend, so that neither metrics nor claims read a day's history."""

from shared.celery_app import TALLY
from shared.clock import monotonic
from shared.store import cadence, tallies
from workers.station import Station

BATCH = 2000
# After an outage there may be many: the next pass goes on.
_AT_MOST_S = 5.0


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; how many rows were folded."""
    settings = station.refresh()
    connection = station.database.connection()
    if not cadence.take(connection, TALLY, settings.tally_every_s):
        return {}
    counts, until = {"counted": 0, "spend": 0}, monotonic() + _AT_MOST_S
    while True:
        told, spent = tallies.fold(connection, BATCH)
        counts = {"counted": counts["counted"] + told, "spend": counts["spend"] + spent}
        if (told < BATCH and spent < BATCH) or monotonic() > until:
            break
    cadence.finish(connection, TALLY, "ok", counts)
    return counts
