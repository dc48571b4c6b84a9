"""Recovery: from `kill -9` of a child, a worker, Redis or Postgres until what was lost, or waits, runs again."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from bench.crew import PEERS, ROOT, peers_python, started, wait_until, worker
from bench.figures import Figure, figure
from bench.payload import payload
from bench.stage import Stage, stage

ROUNDS = 3
# The test profile: everything forty times as quick as in production, in the same order.
QUICK = {
    "SLOTBEAT_LEASE_SECONDS": "1.5",
    "SLOTBEAT_REAP_EVERY_S": "0.25",
    "SLOTBEAT_REAP_GRACE_S": "0.4",
    "SLOTBEAT_RECONCILE_EVERY_S": "0.5",
    "SLOTBEAT_EXIT_GRACE_S": "3",
}
# The lease, its grace, two sweeps.
LOST_S = 1.5 + 0.4 + 2 * 0.25
WITHIN_S = 60.0


def run() -> list[Figure]:
    """Seconds. Celery gives a task back when its child dies; Dramatiq when a worker has been silent for 1.5 s."""
    os.environ.update(QUICK)
    child: list[float] = []
    lost: list[float] = []
    redis: list[float] = []
    postgres: list[float] = []
    celery: list[float] = []
    dramatiq: list[float] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="slotbeat-bench-") as name:
            folder = Path(name)
            child.append(_lost(folder, _child_of))
            lost.append(_lost(folder, lambda payload_pid, worker_pid: worker_pid))
            redis.append(_away(folder, "redis"))
            postgres.append(_away(folder, "postgres"))
            celery.append(_peer(folder, "late", ["celery", "-A", "late", "worker", "-c", "2", "-l", "warning"]))
            dramatiq.append(_peer(folder, "beating_heart", ["dramatiq", "beating_heart", "-p", "1", "-t", "1"]))
    for it in QUICK:
        os.environ.pop(it, None)
    late = ("Celery acks_late, reject_on_worker_lost", celery)
    heart = ("Dramatiq, heartbeat 1.5 s", dramatiq)
    return [
        figure("recovery after kill -9 of a child", "s", child, peer=late, bar=("ours", "lower", 1.0)),
        figure("recovery after kill -9 of a worker", "s", lost, peer=heart, bar=("ours", "lower", LOST_S)),
        figure("the next start after kill -9 of Redis", "s", redis, bar=("ours", "lower", 15)),
        figure("the next start after kill -9 of Postgres", "s", postgres, bar=("ours", "lower", 15)),
    ]


def _scene(stack: ExitStack, folder: Path, count: int, argv: list[str]) -> tuple[Stage, "subprocess.Popen[bytes]"]:
    """Beat, two workers, and so many firings due; the first worker is the one that gets the first of them."""
    here = stack.enter_context(stage())
    workspace = here.workspace("bench")
    one = stack.enter_context(worker(here, folder))
    beat = [sys.executable, "-m", "celery", "-A", "beat", "beat", "-l", "warning"]
    stack.enter_context(started(beat, folder / "beat.log"))
    for number in range(count):
        here.sql(
            """
            insert into schedules (id, workspace_id, name, kind, run_at, next_run_at, target, max_attempts,
                                   retry_backoff_s)
            values (%(id)s, %(workspace)s, %(name)s, 'once', now(), now(), %(target)s, 5, 0)
            """,
            id=uuid7(),
            workspace=workspace,
            name=f"s{number}",
            target=Jsonb({"kind": "command", "argv": argv}),
        )
    here.sql("update schedules set revision = revision + 1")
    wait_until(lambda: here.sql("select 1 from attempts") != [], 30, folder / "beat.log")
    return here, one


def _lost(folder: Path, whom: Callable[[int, int], int]) -> float:
    """From the kill until the firing's next attempt."""
    with ExitStack() as stack:
        here, one = _scene(stack, folder, 1, ["sleep", "31.7"])
        stack.enter_context(worker(here, folder))
        wait_until(lambda: _pid_of(b"sleep\x0031.7\x00"), 10)
        killed_at = time.clock_gettime(time.CLOCK_REALTIME)
        os.kill(whom(_pid_of(b"sleep\x0031.7\x00"), one.pid), signal.SIGKILL)
        again = "select extract(epoch from claimed_at)::float8 from attempts where number = 2"
        wait_until(lambda: here.sql(again) != [], WITHIN_S)
        [(at,)] = here.sql(again)
        return float(str(at)) - killed_at


def _away(folder: Path, which: str) -> float:
    """From the kill of a server, which is started again at once, until the next firing in line starts."""
    with ExitStack() as stack:
        here, _ = _scene(stack, folder, 40, ["sleep", "0.3"])
        server = getattr(here.servers, which)
        killed_at = time.clock_gettime(time.CLOCK_REALTIME)
        server.kill()
        server.launch()
        server.wait_ready()
        since = f"claimed_at > to_timestamp({killed_at})"
        later = f"select extract(epoch from min(claimed_at))::float8 from attempts where {since}"

        def seen() -> list[tuple[object, ...]]:
            try:
                return [row for row in here.sql(later) if row[0] is not None]
            except psycopg.OperationalError:
                return []

        wait_until(seen, WITHIN_S)
        [(at,)] = seen()
        here.sql("update workspaces set status = 'paused'")
        return float(str(at)) - killed_at


def _peer(folder: Path, module: str, argv: list[str]) -> float:
    """From the kill (of the child with the payload, or the only worker; another one is there) to the next start."""
    told = payload(folder, f"{module}{time.monotonic_ns()}", 0)
    notes = told.notes
    note = ["bash", "--norc", "-c", 'echo $EPOCHREALTIME >>"$0"; exec sleep 32.9', str(notes)]

    def starts() -> list[float]:
        return [float(it) for it in notes.read_text().split()] if notes.exists() else []

    with ExitStack() as stack:
        here = stack.enter_context(stage())
        env = {"BENCH_ARGV": json.dumps(note), "BENCH_REDIS": here.where.redis_url, "PYTHONPATH": str(PEERS)}
        full = [peers_python(), "-m", *argv]
        one = stack.enter_context(started(full, folder / f"{module}.log", env))
        time.sleep(3)
        subprocess.run([peers_python(), "-m", module], env=env, cwd=ROOT, check=True)
        wait_until(starts, 30, folder / f"{module}.log")
        if module != "late":
            stack.enter_context(started(full, folder / f"{module}.log", env))
            time.sleep(2)
        killed_at = time.clock_gettime(time.CLOCK_REALTIME)
        if module == "late":
            os.kill(_parent_of(_pid_of(b"sleep\x0032.9\x00")), signal.SIGKILL)
        else:
            os.killpg(one.pid, signal.SIGKILL)
        wait_until(lambda: len(starts()) > 1, WITHIN_S)
        again = starts()[1] - killed_at
        while pid := _pid_of(b"sleep\x0032.9\x00"):
            os.kill(pid, signal.SIGKILL)
        return again


def _pid_of(cmdline: bytes) -> int:
    """The process with exactly these arguments; 0 for none."""
    for it in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if it.read_bytes() == cmdline:
                return int(it.parent.name)
        except OSError:
            continue
    return 0


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _child_of(payload_pid: int, worker_pid: int) -> int:
    """The pool child above a payload: its guard's parent."""
    return _parent_of(_parent_of(payload_pid))
