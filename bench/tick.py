"""The tick: many schedules due at once, until every firing is a row and what may start is published."""

import subprocess
import time
from collections.abc import Callable
from statistics import median
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from redis import Redis

from beat.due import tick
from beat.many import tick_many
from bench.crew import PEERS, ROOT, peers_python
from bench.figures import Figure, figure
from bench.stage import Stage, stage
from shared.store import due

ROUNDS = 3
IDLE_ROUNDS, IDLE_TICKS = 15, 300
# As people write them: few patterns, many schedules of each.
CRONS = ("*/5 * * * *", "0 * * * *", "30 6 * * *", "0 3 * * 1-5", "15,45 8-18 * * *", "0 0 1 * *", "7 * * * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York")


def run() -> list[Figure]:
    """Beside celery-redbeat, at a thousand beside django-celery-beat too; and what a tick costs when nothing is due."""
    found: list[Figure] = []
    for count, times in ((1000, 15), (10_000, 30)):
        ours: list[float] = []
        redbeat: list[float] = []
        django: list[float] = []
        for _ in range(ROUNDS):
            with stage() as here:
                ours.append(_due_at_once(here, count))
                redbeat.append(_peer(here, "beating", count))
                if count == 1000 and not django:  # once: it takes its time
                    django.append(_peer(here, "django_beating", count))
        what = f"tick, {count:,} due at once"
        found.append(figure(what, "s", ours, peer=("celery-redbeat", redbeat), bar=("ratio", "lower", 1 / times)))
        if django:
            beside = ("django-celery-beat", django)
            found.append(figure(what, "s", ours[:1], peer=beside, bar=("ratio", "lower", 1 / times)))
    return found + _idle()


def _idle() -> list[Figure]:
    with stage() as small, stage() as large:
        for here, count in ((small, 10_000), (large, 100_000)):
            fill(here, here.workspace("bench"), count, "now() + interval '1 day' + make_interval(secs => n)")
        # In turns: where a process happens to be put makes a tick two or three times as long, for a while.
        rounds = [(_idle_ms(small), _asked_ms(small), _idle_ms(large)) for _ in range(IDLE_ROUNDS)]
        few, empty, many = ([it[at] for it in rounds] for at in range(3))
        peer = [_peer(small, "beating", 1000, is_due=False) * 1000]
    name = "idle tick, 10,000 schedules"
    return [
        figure(name, "ms", few, limit=empty, bar=("ours", "lower", 0.3)),
        figure(name, "ms", [median(few)], peer=("celery-redbeat, 1,000", peer), bar=("ours", "lower", 0.3)),
        figure("idle tick, 100,000 of 10,000", "ms", many, limit=few, bar=("ratio", "lower", 1.2)),
    ]


def fill(here: Stage, workspace: UUID, count: int, next_run_at: str, after: int = 0) -> None:
    """So many schedules of the usual patterns; the time of the n-th is an expression of Postgres."""
    here.sql(
        f"""
        insert into schedules (id, workspace_id, name, cron, timezone, target, prompt, next_run_at)
        select gen_random_uuid(), %(workspace)s, 's' || n, (%(crons)s::text[])[1 + n %% {len(CRONS)}],
               (%(zones)s::text[])[1 + n %% {len(ZONES)}], %(target)s, 'Summarise what came in.', {next_run_at}
          from generate_series(%(after)s + 1, %(after)s + %(count)s) n
        """,
        workspace=workspace,
        crons=list(CRONS),
        zones=list(ZONES),
        target=Jsonb({"kind": "command", "argv": ["true"]}),
        after=after,
        count=count,
    )
    here.sql("vacuum analyze schedules")
    here.sql("checkpoint")  # else what was filled in is written out beside what is measured


def _due_at_once(here: Stage, count: int) -> float:
    workspace = here.workspace("bench")
    here.admission.ask(lambda gate: gate.renew("bench", 8, 600_000, []))
    # A beat that runs has loaded what it needs, zones and their clock changes too, and has published before.
    known = len(CRONS) * len(ZONES)
    fill(here, workspace, known, "now() - interval '1 second'")
    tick(here.admission, here.settings)
    fill(here, workspace, count, "now() - interval '1 second'", known)
    begun = time.perf_counter()
    while tick_many(here.admission, here.settings).more:
        pass
    took = time.perf_counter() - begun
    assert here.sql("select count(*) from firings") == [(known + count,)]
    assert here.admission.ask(lambda gate: gate.usage()).reserved == here.settings.max_concurrent
    return took


def _idle_ms(here: Stage) -> float:
    return _each_ms(lambda: tick_many(here.admission, here.settings))


def _asked_ms(here: Stage) -> float:
    """An empty answer to the question what is due, and nothing else."""
    connection = here.database.connection()
    return _each_ms(lambda: connection.execute(due.LOCK_DUE, {"most": 1}).fetchall())


def _each_ms(deed: Callable[[], object]) -> float:
    took: list[float] = []
    for _ in range(IDLE_TICKS):
        begun = time.perf_counter()
        deed()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took)


def _peer(here: Stage, module: str, count: int, *, is_due: bool = True) -> float:
    """Seconds, as the peer's program says, on the same servers."""
    url = urlsplit(here.where.database_url)
    if module == "django_beating":
        with psycopg.connect(here.where.database_url, autocommit=True) as connection:
            connection.execute("create database django")
    env = {
        "BENCH_REDIS": f"{here.where.redis_url.rpartition('/')[0]}/6",
        "BENCH_DATABASE": urlunsplit(url),
        "BENCH_DATABASE_NAME": "django",
        "BENCH_COUNT": str(count),
        "BENCH_DUE": str(int(is_due)),
    }
    argv = [peers_python(), str(PEERS / f"{module}.py")]
    told = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    if told.returncode:
        raise SystemExit(f"{module}: {told.stderr[-2000:]}")
    with Redis.from_url(env["BENCH_REDIS"]) as client:
        client.flushdb()
    return float(told.stdout.split()[-1])
