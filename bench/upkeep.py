"""The reaper's sweep over ten thousand expired leases, and the rebuild of a gate that lost its memory."""

from time import perf_counter

from bench.figures import Figure, figure
from bench.stage import Stage, stage
from shared.clock import monotonic
from shared.settings import Settings
from shared.store import processes, progress
from workers import reaper
from workers.identity import this_worker
from workers.station import Station, be

LEASES = 10_000
WAITERS = 100_000
SCHEDULES = 1000
UPDATES = 2000


def run() -> list[Figure]:
    """Seconds; the limit of the sweep is as many guarded one-row updates, committed one by one."""
    with stage(Settings(reap_every_s=10)) as here:
        here.cap("fleet", LEASES)
        fill(here, LEASES, WAITERS)
        rebuilt = [_rebuild(here) for _ in range(3)]
        loaded = [_bare_load(here) for _ in range(3)]
        per_update = _one_update_s(here)
        swept = _sweep(here)
    return [
        figure("sweep of 10,000 expired leases", "s", [swept], limit=[per_update * LEASES], bar=("ours", "lower", 10)),
        figure("rebuild of 10,000 leases, 100,000 waiters", "s", rebuilt, limit=loaded, bar=("ours", "lower", 5)),
    ]


def fill(here: Stage, leases: int, waiters: int) -> None:
    """Schedules that allow overlap, with firings of which the first ones run, claimed by the real function."""
    workspace = here.workspace("bench")
    here.sql(
        """
        insert into schedules (id, workspace_id, name, cron, target, overlap)
        select gen_random_uuid(), %(workspace)s, 's' || n, '0 0 1 1 *', '{}', 'allow' from generate_series(1, %(n)s) n
        """,
        workspace=workspace,
        n=SCHEDULES,
    )
    here.sql(
        """
        insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
        select gen_random_uuid(), s.id, s.workspace_id, 'manual', now(), s.name, '{}', 1200
          from generate_series(1, %(each)s) n, schedules s
        """,
        each=(leases + waiters) // SCHEDULES,
    )
    here.sql("analyze")
    here.sql(
        """
        select claim_firing(id, gen_random_uuid(), (select number from epoch), '{"id": "bench"}', null, interval '60 s')
          from (select id from firings order by line_no limit %(leases)s) f
        """,
        leases=leases,
    )


def _rebuild(here: Stage) -> float:
    here.admission.gate.redis.flushdb()
    begun = perf_counter()
    here.admission.make_whole()
    took = perf_counter() - begun
    here.app.control.purge()
    return took


def _bare_load(here: Stage) -> float:
    """The same rows read, and one pipelined ZADD a row: what reading and sending alone cost."""
    begun = perf_counter()
    rows = here.sql("select id, line_no, title, workspace_id from firings where status in ('queued', 'running')")
    with here.admission.gate.redis.pipeline(transaction=False) as pipe:
        for number, row in enumerate(rows):
            pipe.zadd("bare", {str(row[0]): str(row[1])})
            if number % 1000 == 999:
                pipe.execute()
        pipe.execute()
    took = perf_counter() - begun
    here.admission.gate.redis.delete("bare")
    return took


def _one_update_s(here: Stage) -> float:
    tokens = [row[0] for row in here.sql("select token from attempts limit %(n)s", n=UPDATES)]
    begun = perf_counter()
    for token in tokens:
        progress.tell(here.database.connection(), int(str(token)), progress.Progress(1, 0, 0, 0, None))
    return (perf_counter() - begun) / len(tokens)


def _sweep(here: Stage) -> float:
    be(this_worker("reaper@bench"))
    station = Station(here.app, this_worker("reaper@bench"))
    processes.sign(
        station.database.connection(),
        {
            "id": station.worker.id,
            "kind": "worker",
            "node": "reaper@bench",
            "boot_id": station.worker.boot_id,
            "pid": station.worker.pid,
            "pid_start": station.worker.pid_start,
            "capacity": 1,
        },
    )
    # Past their lease and its grace, and already found so by one sweep.
    here.sql(
        """
        update attempts set claimed_at = now() - interval '5 min', heartbeat_expires_at = now() - interval '4 min',
                            dead_ticks = 1, dead_tick_at = now() - interval '1 min'
        """
    )
    begun, waited_until = perf_counter(), monotonic() + 300
    reaper.sweep(station)
    while _live(here) and monotonic() < waited_until:
        here.sql("delete from cadence")
        reaper.sweep(station)
    took = perf_counter() - begun
    station.close()
    return took


def _live(here: Stage) -> bool:
    return here.sql("select exists (select from attempts where ended_at is null)") == [(True,)]
