"""Maintenance tasks take turns: many who ask, one who runs."""

import threading

from shared.store import cadence
from shared.store.connection import connect
from tests.store.rows import Rows


def asked_at_once(database_url: str, askers: int) -> int:
    """How many of so many threads, released together, were told to run."""
    barrier, taken = threading.Barrier(askers), []

    def ask() -> None:
        with connect(database_url) as own:
            barrier.wait(20)
            taken.append(cadence.take(own, "sweep", 10))

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for it in threads:
        it.start()
    for it in threads:
        it.join(30)
    assert len(taken) == askers
    return sum(taken)


def test_of_eight_who_ask_at_once_exactly_one_runs_and_again_when_the_interval_is_over(
    rows: Rows, database_url: str
) -> None:
    first = asked_at_once(database_url, 8)
    rows.sql.execute("update cadence set ran_at = ran_at - interval '9.01 s'")
    second = asked_at_once(database_url, 8)

    assert (first, second) == (1, 1)


def test_a_pass_that_comes_too_early_is_no_pass(rows: Rows) -> None:
    assert cadence.take(rows.sql, "sweep", 10)

    rows.sql.execute("update cadence set ran_at = clock_timestamp() - interval '8 s'")

    assert not cadence.take(rows.sql, "sweep", 10)


def test_totals_add_up_over_passes_and_other_counts_are_of_the_last(rows: Rows) -> None:
    cadence.take(rows.sql, "sweep", 10)

    cadence.finish(rows.sql, "sweep", "ok", {"reaped_total": 2, "seen": 7})
    cadence.finish(rows.sql, "sweep", "failed", {"reaped_total": 3})

    [it] = cadence.passes(rows.sql)
    assert (it.outcome, it.counts) == ("failed", {"reaped_total": 5})
