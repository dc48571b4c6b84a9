"""Growth: what a tick, a claim, a settle, a sweep cost as schedules, waiters and history grow."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from beat.due import tick
from bench.crew import wait_until
from bench.figures import Figure, figure
from bench.plot import Line, plot
from bench.stage import Stage, stage
from bench.tick import fill
from shared.answers import Waiter
from shared.settings import Settings
from shared.store import attempts
from shared.store.firings import startable_of
from workers import reaper
from workers.identity import this_worker
from workers.outcome import Outcome
from workers.settle import settle
from workers.station import Station, be

# BENCH_ROWS=1000000 goes on to a million, which takes some ten minutes to fill.
MOST = int(os.environ.get("BENCH_ROWS", "100000"))
SIZES = [it for it in (1000, 10_000, 100_000, 1_000_000) if it <= MOST]
REPEATS = 60
# From the smallest to the largest: a logarithm over three powers of ten at most doubles it.
FLAT = 2.0
RESULTS = Path(__file__).resolve().parent / "results"


def run() -> list[Figure]:
    """Medians in ms at each size; the bar is the last one as a multiple of the first."""
    took: dict[str, list[float]] = {}
    with stage(Settings(reap_every_s=0.001)) as here:
        here.cap("fleet", 10)
        workspace = here.workspace("bench")
        be(this_worker("reaper@bench"))
        station = Station(here.app, this_worker("reaper@bench"))
        before = 0
        for size in SIZES:
            _grow(here, workspace, before, size)
            before = size
            for name, deed in _deeds(here, station, workspace).items():
                took.setdefault(name, []).append(_median_ms(deed))
        station.close()
    RESULTS.mkdir(exist_ok=True)
    lines = [Line(name, list(zip(SIZES, values, strict=True))) for name, values in took.items()]
    (RESULTS / "growth.svg").write_text(plot("median, ms, by rows of each kind", lines))
    many = f"{SIZES[-1]:,} of {SIZES[0]:,} rows"
    return [
        figure(f"growth of {name}, {many}", "ms", [values[-1]], limit=[values[0]], bar=("ratio", "lower", FLAT))
        for name, values in took.items()
    ]


def _grow(here: Stage, workspace: UUID, before: int, size: int) -> None:
    """So many schedules of which none is due, firings that have ended, and firings that wait in rows and gate."""
    fill(here, workspace, size - before, "now() + interval '1 day' + make_interval(secs => n)", before)
    here.sql("set session_replication_role = 'replica'")  # the history is history: no trigger looks at it
    for status, waits in (("completed", False), ("queued", True)):
        here.sql(
            """
            insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds,
                                 status, finished_at)
            select gen_random_uuid(), s.id, s.workspace_id, 'manual', now() - interval '1 day', s.name, '{}', 1200,
                   %(status)s, case when %(waits)s then null else now() - interval '1 day' end
              from schedules s order by s.created_at, s.name offset %(before)s
            """,
            status=status,
            waits=waits,
            before=before,
        )
    here.sql("set session_replication_role = 'origin'")
    here.sql("vacuum analyze")
    gate = here.admission.gate
    for start in range(before, size, 1000):
        gate.offer([Waiter(uuid4(), workspace, None, start + number, 5, False, "t") for number in range(1000)])
    # What filling has left to the disks, and to a process that copies the gate's memory, is no part of any deed.
    here.sql("checkpoint")
    os.sync()
    wait_until(lambda: not _is_written_anew(here), 300)


def _is_written_anew(here: Stage) -> bool:
    told: Any = here.admission.gate.redis.info("persistence")
    return bool(told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"] or told["rdb_bgsave_in_progress"])


def _deeds(here: Stage, station: Station, workspace: UUID) -> dict[str, Callable[[], None]]:
    connection = here.database.connection()
    waiting = [UUID(str(row[0])) for row in here.sql("select id from firings where status = 'queued' limit 400")]
    by = attempts.Claimer(station.worker.facts(), None, here.admission.gate.epoch, timedelta(seconds=60))
    claimed: list[attempts.Attempt] = []

    def claim() -> None:
        told = attempts.claim(connection, waiting.pop(), uuid4(), by)
        assert isinstance(told, attempts.Attempt), told
        claimed.append(told)
        if len(claimed) > 1:
            settle(here.database, claimed.pop(0).token, Outcome(None, exit_code=0), here.settings)

    def sweep() -> None:
        reaper.sweep(station)

    def pass_on() -> None:
        startable_of(connection, [claimed[-1].schedule_id or uuid4()])

    def gate() -> None:
        firing = uuid4()
        here.admission.gate.offer([Waiter(firing, workspace, None, 0, 0, False, "t")])
        here.admission.gate.withdraw([firing])

    return {
        "an idle tick": lambda: _unless_due(here),
        "a claim and a settle": claim,
        "what a settle lets go on": pass_on,
        "an idle sweep": sweep,
        "the gate's offer and withdraw": gate,
    }


def _unless_due(here: Stage) -> None:
    assert tick(here.admission, here.settings).schedules == 0


def _median_ms(deed: Callable[[], None]) -> float:
    took: list[float] = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        deed()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took[5:])
