"""Scaling: what a firing costs as the table of schedules grows, and days of far more schedules by those costs."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from beat.due import tick
from bench.day import Costs, as_table, day
from bench.figures import Figure, figure
from bench.stage import Stage, stage
from bench.tick import fill
from shared.answers import Waiter
from shared.store import attempts, retention, tallies
from workers.outcome import Outcome
from workers.settle import settle

# BENCH_ROWS=100000 stops before a million, which takes two minutes to fill.
MOST = int(os.environ.get("BENCH_ROWS", "1000000"))
SIZES = [it for it in (10_000, 100_000, 1_000_000) if it <= MOST]
DUE, IDLE, ROUNDS, WAITERS = 1000, 200, 5, 20_000
FLAT = 2.0
HISTORY = ("firings", "attempts", "schedule_firing_metrics", "activity_logs")
RESULTS = Path(__file__).resolve().parent / "results"
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Seen:
    """What one size of the table costs: an idle tick by the clock; the steps of a firing by Postgres's processor."""

    idle: float
    made: float
    ran: float
    forgotten: float
    beat: float
    redis: float
    firing_bytes: float


def run() -> list[Figure]:
    """Milliseconds at each size; the bar is the last one as a multiple of the first. Writes the days as a table."""
    seen: list[Seen] = []
    with stage() as here:
        here.cap("fleet", DUE)
        workspace = here.workspace("bench")
        before = 0
        for size in SIZES:
            fill(here, workspace, size - DUE - before, "now() + interval '1 day' + make_interval(secs => n)", before)
            fill(here, workspace, DUE, "now() - interval '1 second'", size - DUE)
            seen.append(_look(here))
            before = size
        whole = [it.made + it.ran + it.forgotten for it in seen]
        table, indexes = (_size(here, it, "schedules") / before for it in ("pg_table_size", "pg_indexes_size"))
        waiter = _bytes_of_a_waiter(here, workspace)
        costs = Costs(SIZES, whole, table, indexes, seen[-1].firing_bytes, waiter, seen[-1].redis, seen[-1].beat)
    RESULTS.mkdir(exist_ok=True)
    told = as_table(costs, [day(it) for it in (10_000, 1_000_000, 100_000_000)])
    (RESULTS / "scaling.md").write_text(told)
    print(told, flush=True)
    many = f"{SIZES[-1]:,} of {SIZES[0]:,} schedules"
    steps = (
        ("a firing made by a tick", seen[0].made, seen[-1].made),
        ("a claim, an exit and a settle", seen[0].ran, seen[-1].ran),
        ("a firing forgotten", seen[0].forgotten, seen[-1].forgotten),
    )
    # Whether Postgres plans the due query anew each time is its own choice, and makes two thirds of an idle tick.
    idle = figure(f"an idle tick, {many}", "ms", [seen[-1].idle], limit=[seen[0].idle], bar=("ours", "lower", 1.0))
    return [idle] + [
        figure(f"{what}, {many}", "ms of Postgres", [after], limit=[first], bar=("ratio", "lower", FLAT))
        for what, first, after in steps
    ]


def _look(here: Stage) -> Seen:
    """Sees the firings of all that is due through to where they are forgotten."""
    here.admission.ask(lambda gate: gate.renew("bench", DUE, 600_000, []))
    redis_began = _redis_ms(here)
    beat_began = time.process_time()
    made = _of_postgres(here, lambda: tick(here.admission, here.settings))
    beat = (time.process_time() - beat_began) * 1000 / DUE
    ran = _of_postgres(here, lambda: _run_all(here))
    redis = (_redis_ms(here) - redis_began) / DUE
    tallied = _of_postgres(here, lambda: tallies.fold(here.database.connection(), 10 * DUE))
    kept = _bytes_of_a_firing(here)
    gone = _of_postgres(here, lambda: _forget_all(here))
    here.app.control.purge()
    # Some are due again within minutes, which the next idle tick must not find.
    here.sql(
        "update schedules set next_run_at = now() + interval '1 day' where next_run_at < now() + interval '1 hour'"
    )
    here.sql("vacuum analyze schedules")
    return Seen(_idle_ms(here), made, ran, tallied + gone, beat, redis, kept)


def _idle_ms(here: Stage) -> float:
    """The best of some rounds: whoever else has the machine only adds to it."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        took: list[float] = []
        for _ in range(IDLE):
            begun = time.perf_counter()
            assert tick(here.admission, here.settings).schedules == 0
            took.append((time.perf_counter() - begun) * 1000)
        rounds.append(median(took))
    return min(rounds)


def _run_all(here: Stage) -> None:
    """Every firing as a worker leads it through gate and rows; its payload takes no time."""
    gate, connection = here.admission.gate, here.database.connection()
    by = attempts.Claimer({"id": "bench"}, None, gate.epoch, timedelta(seconds=60))
    waiting = [UUID(str(it)) for (it,) in here.sql("select id from firings where status = 'queued' order by line_no")]
    assert len(waiting) == DUE
    for firing in waiting:
        request = uuid4()
        assert gate.claim(firing, request, "bench", 60_000) == "LEASED"
        claimed = attempts.claim(connection, firing, request, by)
        assert isinstance(claimed, attempts.Attempt), claimed
        attempts.record_exit(connection, claimed.token, 0, None)
        settle(here.database, claimed.token, Outcome(None, exit_code=0), here.settings)
        gate.release(firing, request)


def _forget_all(here: Stage) -> None:
    for kind in ("events", "metrics", "activity", "firings"):
        while retention.forget(here.database.connection(), kind, timedelta(days=1), 500):
            pass


# What is read off the servers ----------------------------------------------------------------------


def _of_postgres(here: Stage, deed: Callable[[], Any]) -> float:
    """Milliseconds of a processor that our connection's server process took, a firing."""
    [(pid,)] = here.sql("select pg_backend_pid()")
    before = _ticks(str(pid))
    deed()
    return (_ticks(str(pid)) - before) * 1000 / _TICKS_A_SECOND / DUE


def _ticks(pid: str) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


def _redis_ms(here: Stage) -> float:
    told: Any = here.admission.gate.redis.info("cpu")
    return (told["used_cpu_user"] + told["used_cpu_sys"]) * 1000


def _size(here: Stage, function: str, table: str) -> int:
    return int(str(here.sql(f"select {function}(%(table)s)", table=table)[0][0]))


def _bytes_of_a_firing(here: Stage) -> float:
    """With its attempt, metrics and activity, and their indexes; packed. Then it is made old enough to be forgotten."""
    here.sql("set session_replication_role = 'replica'")  # nobody else may rewrite history
    for table, column in zip(HISTORY, ("finished_at", "claimed_at", "completed_at", "at"), strict=True):
        here.sql(
            f"update {table} set {column} = {column} - interval '9 days' where {column} > now() - interval '1 day'"
        )
    here.sql("set session_replication_role = 'origin'")
    for table in HISTORY:
        here.sql(f"vacuum (full, analyze) {table}")
    return sum(_size(here, "pg_total_relation_size", table) for table in HISTORY) / DUE


def _bytes_of_a_waiter(here: Stage, workspace: UUID) -> float:
    gate = here.admission.gate
    before = _redis_bytes(here)
    for start in range(0, WAITERS, 1000):
        gate.offer([Waiter(uuid4(), workspace, None, start + number, 5, False, "t" * 20) for number in range(1000)])
    return (_redis_bytes(here) - before) / WAITERS


def _redis_bytes(here: Stage) -> int:
    told: Any = here.admission.gate.redis.info("memory")
    return told["used_memory"]
