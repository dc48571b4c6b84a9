"""What metrics tell of this moment: each a query that reads few rows, however long the history."""

from dataclasses import dataclass

from psycopg.rows import class_row

from shared.store.connection import Postgres

SENDS_ALERTS = "slotbeat.send_alert"


@dataclass(frozen=True)
class Moment:
    """The system at this moment; times are seconds of Unix time, or None for what has never been."""

    running: int
    alerts_waiting: int
    classes_tripped: int
    last_reaped: float | None
    paused: bool
    gate_epoch: int


def moment(connection: Postgres) -> Moment:
    """All of it by one statement; each part by an index of its own."""
    with connection.cursor(row_factory=class_row(Moment)) as cursor:
        told = cursor.execute(
            """
            select (select count(*) from firings where status = 'running') as running,
                   -- Where no worker was ever given an address, nobody waits for an alert.
                   (select count(*) from alerts where sent_at is null and given_up_at is null
                       and exists (select from cadence where name = %(sends)s and counts ? 'begun_total'))
                     as alerts_waiting,
                   (select count(*) from failure_classes where healed_at is null) as classes_tripped,
                   (select extract(epoch from at)::float8 from activity_logs
                     where type = 'reaped' order by at desc limit 1) as last_reaped,
                   exists (select from fleet_pause where resumed_at is null) as paused,
                   (select number from epoch) as gate_epoch
            """,
            {"sends": SENDS_ALERTS},
        ).fetchone()
    assert told is not None
    return told


@dataclass(frozen=True)
class Strain:
    """How hard the last firings were on the system: percentiles in ms, and over how many firings; None: not known."""

    firings: int
    slot_wait_p95_ms: float | None
    keeper_lag_p99_ms: float | None


def strain(connection: Postgres, most: int) -> Strain:
    """Over at most so many of the last day's firings, the newest."""
    with connection.cursor(row_factory=class_row(Strain)) as cursor:
        told = cursor.execute(
            """
            select count(*)::int as firings,
                   percentile_disc(0.95) within group (order by slot_wait_ms)::float8 as slot_wait_p95_ms,
                   percentile_disc(0.99) within group (order by event_loop_lag_ms)::float8 as keeper_lag_p99_ms
              from (select slot_wait_ms, event_loop_lag_ms from schedule_firing_metrics
                     where completed_at > now() - interval '1 day' and slot_claimed_at is not null
                     order by completed_at desc limit %s) as newest
            """,
            [most],
        ).fetchone()
    assert told is not None
    return told


def add_latency(connection: Postgres, latency_ms: int) -> None:
    """How long somebody waited for an answer in an interactive stream."""
    connection.execute("insert into stream_latencies (latency_ms) values (%s)", [latency_ms])


def stream_p99_ms(connection: Postgres, most: int) -> tuple[float | None, int]:
    """The 99th percentile of the last day's latencies, of at most so many, the newest; and of how many."""
    row = connection.execute(
        """
        select percentile_disc(0.99) within group (order by latency_ms)::float8, count(*)::int
          from (select latency_ms from stream_latencies where at > now() - interval '1 day'
                 order by at desc limit %s) as newest
        """,
        [most],
    ).fetchone()
    assert row is not None
    return row
