"""What maintenance reads of everything that runs: each row once, whatever statistics say of how many there are."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.store import liveness, running
from shared.store.connection import Postgres, connect
from tests.store.rows import Rows

READ = """
    select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int from pg_stat_xact_user_tables
     where relname in ('firings', 'attempts')
"""
MANY_ENDED = """
    with born as (
      insert into firings (id, workspace_id, source, nominal_at, title, target, max_run_seconds, status, finished_at)
      select gen_random_uuid(), %s, 'adhoc', now(), 't', '{}', 9, 'cancelled', now() from generate_series(1, 3000)
      returning id)
    insert into attempts (firing_id, number, token, request_id, worker, claimed_at, heartbeat_expires_at, lease_ms,
                          run_expires_at, ended_at, outcome)
    select id, 1, nextval('tokens'), gen_random_uuid(), '{}', now(), now(), 1, now(), now(), 'cancelled' from born
"""
MANY = 150
QUESTIONS: dict[str, Callable[[Postgres, Sequence[UUID]], Sequence[Any] | dict[Any, Any]]] = {
    "what runs": lambda sql, _: running.running(sql),
    "states": running.statuses,
    "suspects": lambda sql, _: liveness.suspects(sql, timedelta(0), 1000),
}


@pytest.fixture
def worker(database_url: str) -> Iterator[Postgres]:
    """A connection as workers have it, in the same database."""
    with connect(database_url, by_index=True) as sql:
        yield sql


@pytest.mark.parametrize("statistics", ["of nothing yet", "of a quiet hour"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_worker_reads_each_row_once_when_hundreds_run(
    rows: Rows, worker: Postgres, question: str, statistics: str
) -> None:
    """A plan that compares each firing with each attempt is cheap where none runs; and plans are kept."""
    asked = QUESTIONS[question]
    rows.cap("fleet", MANY + 2)
    few = [suspect(rows) for _ in range(2)]
    if statistics == "of a quiet hour":
        rows.sql.execute("set session_replication_role = 'replica'")
        rows.sql.execute(MANY_ENDED, [rows.workspace])
        rows.sql.execute("set session_replication_role = 'origin'")
        rows.sql.execute("vacuum analyze")
    for _ in range(5):
        asked(worker, few)

    everything = [*few, *(suspect(rows) for _ in range(MANY))]
    with worker.transaction():
        before = read(worker)
        found = asked(worker, everything)
        cost = read(worker) - before

    assert len(found) == len(everything)
    assert cost < 6 * MANY


def suspect(rows: Rows) -> UUID:
    """A firing that runs, and that the reaper looks at."""
    run = rows.running()
    aborted = "update attempts set abort_requested_at = now(), abort_reason = 'aborted' where token = %s"
    rows.sql.execute(aborted, [run.token])
    return run.firing_id


def read(sql: Postgres) -> int:
    row = sql.execute(READ).fetchone()
    assert row is not None
    return row[0]
