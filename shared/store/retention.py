"""What is deleted for its age: oldest first, so many rows at a time."""

from datetime import timedelta
from typing import Literal

from shared.store.connection import Postgres

Kind = Literal[
    "events",
    "metrics",
    "activity",
    "firings",
    "skips",
    "alerts",
    "idempotency_keys",
    "stream_latencies",
    "sign_ins",
    "failed_sign_ins",
]


def forget(connection: Postgres, kind: Kind, older_than: timedelta, most: int) -> int:
    """Deletes at most so many; of events, the output of so many firings. How many; 0: there is nothing so old.

    Postgres refuses to go below a day, and keeps what is queued, runs, or waits to be sent or counted.
    """
    row = connection.execute("select forget(%s, %s, %s)", [kind, older_than, most]).fetchone()
    assert row is not None
    return row[0]
