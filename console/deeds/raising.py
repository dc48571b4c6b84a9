"""May the cap be raised? What the doctor says and the dashboard shows, from what was measured."""

from shared.rules.raising import Measured, Raising, may_raise
from shared.store import gauges
from shared.store.connection import Postgres

# Of each the newest: enough for a 99th percentile, and read in a few milliseconds.
_MOST = 5000


def verdict(connection: Postgres) -> Raising:
    """The verdict over the last day."""
    seen = gauges.strain(connection, _MOST)
    stream_p99_ms, streams = gauges.stream_p99_ms(connection, _MOST)
    return may_raise(Measured(seen.firings, seen.slot_wait_p95_ms, seen.keeper_lag_p99_ms, stream_p99_ms, streams))
