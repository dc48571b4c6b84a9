"""Throughput: commands that end at once, as firings, and as Celery tasks that run the same and record nothing."""

import tempfile
from pathlib import Path

from beat.due import tick
from bench.crew import peers_python, wait_until, worker
from bench.figures import Figure, figure
from bench.handover import due, peer
from bench.payload import Payload, makespan_s, payload
from bench.stage import Stage, stage

ROUNDS = 9  # within seconds a machine of two cores is half as fast again, or not: fewer say little
COUNT, PROCESSES, WORKSPACES = 200, 4, 4


def run() -> list[Figure]:
    """Commands per second, four processes and workspaces; the limit is the same command, one after the other."""
    ours: list[float] = []
    celery: list[float] = []
    with tempfile.TemporaryDirectory(prefix="slotbeat-bench-") as name, stage() as here:
        folder = Path(name)
        here.cap("fleet", PROCESSES)
        for number in range(ROUNDS):
            with worker(here, folder, "-Q", "firings", concurrency=PROCESSES):
                _ours(here, payload(folder, f"warm{number}", 0), 20)
                ours.append(_rate(_ours(here, payload(folder, f"ours{number}", 0), COUNT)))
            celery.append(_rate(_celery(here, folder, number)))
    name = "commands that end at once"
    return [figure(name, "1/s", ours, peer=("Celery task, nothing recorded", celery), bar=("ratio", "higher", 0.5))]


def _ours(here: Stage, told: Payload, count: int) -> Payload:
    due(here, [here.workspace(f"{told.notes.stem} {number}") for number in range(WORKSPACES)], count, told)
    tick(here.admission, here.settings)
    wait_until(lambda: len(told.spans()) == count, 120)  # as the peer is waited for, who is not asked all the time
    wait_until(lambda: here.sql("select 1 from firings where status in ('queued', 'running') limit 1") == [], 120)
    return told


def _celery(here: Stage, folder: Path, number: int) -> Payload:
    told = payload(folder, f"celery{number}", 0)
    argv = [peers_python(), "-m", "celery", "-A", "retrying", "worker", "-c", str(PROCESSES), "-l", "warning"]
    more = {"BENCH_COUNT": str(COUNT), "BENCH_TASK": "plain"}
    return peer(here, told, argv, [peers_python(), "-m", "retrying"], more)


def _rate(told: Payload) -> float:
    spans = told.spans()
    return len(spans) / makespan_s(spans)
