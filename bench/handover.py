"""The hand-over: cap 2, fifty payloads of 50 ms; from the end of one to the start of the next."""

import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from redis import Redis
from uuid_utils.compat import uuid7

from beat.due import tick
from bench.crew import PEERS, ROOT, peers_node, peers_python, started, wait_until, worker
from bench.figures import Figure, figure
from bench.payload import Payload, gaps_ms, makespan_s, payload, percentile
from bench.stage import Stage, stage
from shared.answers import Reservation, Waiter
from shared.gate import Gate

ROUNDS = 5
COUNT, CAP, LASTS_S = 50, 2, 0.05
IDEAL_S = COUNT / CAP * LASTS_S
# The bars, and what each was of BullMQ's figure on the machine where both were written down: 1.5 ms, 3.3 ms, 1.04 of
# the ideal, of which 0.04 is idle. On a machine that takes three times as long to wake a process, milliseconds say
# little and ratios the same (decision 84).
BARS = {"p50": 4.0, "p99": 12.0, "makespan": 1.10}
OF_BULL = {"p50": 2.67, "p99": 3.64, "idle": 2.5}
BULL = "BullMQ, global concurrency"
WHAT = {
    "p50": ("hand-over, end to next start, p50", "ms"),
    "p99": ("hand-over, end to next start, p99", "ms"),
    "makespan": ("makespan of 50 x 50 ms under a cap of 2", "of the ideal"),
    "idle": ("idle part of that makespan", "of the ideal"),
}
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Round:
    """One run of all payloads: milliseconds from end to next start, and the makespan as a multiple of the ideal."""

    p50: float
    p99: float
    makespan: float

    @property
    def idle(self) -> float:
        """What of the makespan is beside the ideal."""
        return self.makespan - 1

    @classmethod
    def of(cls, told: Payload) -> "Round":
        """That of what ran."""
        spans = told.spans()
        gaps = gaps_ms(spans, CAP)
        return cls(median(gaps), percentile(gaps, 99), makespan_s(spans) / IDEAL_S)


def run() -> list[Figure]:
    """Ours, two bare processes on the same gate as the limit, the retry recipe of Celery and Dramatiq's limiter."""
    ours: list[Round] = []
    bare: list[Round] = []
    celery: list[Round] = []
    dramatiq: list[Round] = []
    bull: list[Round] = []
    commits: list[float] = []
    with tempfile.TemporaryDirectory(prefix="slotbeat-bench-") as name, stage() as here:
        folder = Path(name)
        # Two, who come in turns: what one holds of its workspace the next is not to wait for.
        workspaces = [here.workspace("bench"), here.workspace("beside")]
        with worker(here, folder):
            for number in range(ROUNDS + 1):
                one = Round.of(_ours(here, workspaces, payload(folder, f"ours{number}", LASTS_S)))
                floor = Round.of(_bare(here, workspaces[0], payload(folder, f"bare{number}", LASTS_S)))
                if number > 0:  # the first warms what is warm in production
                    ours.append(one)
                    bare.append(floor)
                    commits.append(_commit_ms(here, workspaces[0]))
        for number in range(ROUNDS):
            celery.append(Round.of(_celery(here, folder, number)))
            dramatiq.append(Round.of(_dramatiq(here, folder, number)))
            if node := peers_node():
                bull.append(Round.of(_bull(here, folder, number, node)))
    peers = {"Celery, retry in 50 ms": celery, "Dramatiq ConcurrentRateLimiter": dramatiq}
    return _figures(ours, bare, {**peers, BULL: bull} if bull else peers, commits)


def _figures(
    ours: list[Round], bare: list[Round], beside: Mapping[str, list[Round]], commits: list[float]
) -> list[Figure]:
    found: list[Figure] = []
    for name, peers in beside.items():
        for field, most in (OF_BULL if name == BULL else BARS).items():
            found.append(
                figure(
                    *WHAT[field],
                    [getattr(it, field) for it in ours],
                    limit=[getattr(it, field) for it in bare],
                    peer=(name, [getattr(it, field) for it in peers]),
                    bar=("ratio" if name == BULL else "ours", "lower", most),
                )
            )
    p50 = [it.p50 for it in ours]
    found.append(figure("hand-over p50 beside a commit", "ms", p50, limit=commits, bar=("ours", "lower", BARS["p50"])))
    return found


def due(here: Stage, workspaces: Sequence[UUID], count: int, told: Payload) -> None:
    """As many schedules that are due now, each once, of each workspace in turn."""
    for number in range(count):
        here.sql(
            """
            insert into schedules (id, workspace_id, name, kind, run_at, next_run_at, target)
            values (%(id)s, %(workspace)s, %(name)s, 'once', now(), now(), %(target)s)
            """,
            id=uuid7(),
            workspace=workspaces[number % len(workspaces)],
            name=f"{told.notes.stem} {number}",
            target=Jsonb({"kind": "command", "argv": told.argv}),
        )


def _ours(here: Stage, workspaces: Sequence[UUID], told: Payload) -> Payload:
    due(here, workspaces, COUNT, told)
    tick(here.admission, here.settings)
    wait_until(lambda: len(told.spans()) == COUNT, 60)
    wait_until(lambda: here.sql("select 1 from firings where status <> 'completed'") == [], 60)
    return told


def _bare(here: Stage, workspace: UUID, told: Payload) -> Payload:
    """Two processes that do nothing but ask the gate's own scripts and run the program."""
    gate = here.admission.gate
    gate.renew("bare", CAP, 600_000, [])
    heads = gate.offer([Waiter(uuid4(), workspace, None, number, 5, False, "t") for number in range(COUNT)])
    children = [_fork.Process(target=_puller, args=(here, head, told.argv)) for head in heads]
    for child in children:
        child.start()
    for child in children:
        child.join()
    gate.renew("bare", 0, 1000, [])
    return told


def _puller(here: Stage, head: Reservation, argv: list[str]) -> None:
    known = here.admission.gate
    with Redis.from_url(here.where.redis_url) as client:
        gate = Gate(client, known.namespace, known.start_lease_ms, known.epoch)
        heads = [head]
        while heads:
            request, firing = uuid4(), heads[0].firing
            gate.claim(firing, request, "bare", 60_000)
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
            heads = gate.release(firing, request)


def _commit_ms(here: Stage, workspace: UUID) -> float:
    """What one durable update of one row takes here and now."""
    begun = time.perf_counter()
    for _ in range(100):
        here.sql("update workspaces set current_task = null where id = %(id)s", id=workspace)
    return (time.perf_counter() - begun) * 10


def _celery(here: Stage, folder: Path, number: int) -> Payload:
    told = payload(folder, f"celery{number}", LASTS_S)
    argv = [peers_python(), "-m", "celery", "-A", "retrying", "worker", "-c", "4", "-l", "warning"]
    return peer(here, told, argv, [peers_python(), "-m", "retrying"])


def _dramatiq(here: Stage, folder: Path, number: int) -> Payload:
    told = payload(folder, f"dramatiq{number}", LASTS_S)
    argv = [peers_python(), "-m", "dramatiq", "limiting", "-p", "1", "-t", "4"]
    return peer(here, told, argv, [peers_python(), "-m", "limiting"])


def _bull(here: Stage, folder: Path, number: int, node: Mapping[str, str]) -> Payload:
    told = payload(folder, f"bull{number}", LASTS_S)
    argv = ["node", str(PEERS / "bull.cjs")]
    return peer(here, told, argv, [*argv, "send"], node)


def peer(
    here: Stage, told: Payload, argv: list[str], send: list[str], more: Mapping[str, str] | None = None
) -> Payload:
    """Starts a peer's worker, sends it the work by the peer's own program, waits for the last payload."""
    env = {
        "BENCH_ARGV": json.dumps(told.argv),
        "BENCH_REDIS": f"{here.where.redis_url.rpartition('/')[0]}/5",
        "BENCH_COUNT": str(COUNT),
        "PYTHONPATH": str(PEERS),
        **(more or {}),
    }
    log = told.notes.with_suffix(".log")
    with started(argv, log, env):
        time.sleep(3)  # it says to nobody when it is ready; what counts begins with the first payload
        subprocess.run(send, env={"PATH": os.environ["PATH"], **env}, cwd=ROOT, check=True)
        wait_until(lambda: len(told.spans()) == int(env["BENCH_COUNT"]), 120, log)
    with Redis.from_url(env["BENCH_REDIS"]) as client:
        client.flushdb()
    return told
