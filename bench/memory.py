"""Memory: what worker, beat and API hold at rest, and what a worker holds after many firings."""

import os
import socket
import sys
import tempfile
import time
from pathlib import Path

from beat.due import tick
from bench.crew import started, wait_until, worker
from bench.figures import Figure, figure
from bench.handover import due
from bench.payload import payload
from bench.stage import stage

# BENCH_FIRINGS=10000 takes some minutes.
FIRINGS = int(os.environ.get("BENCH_FIRINGS", "500"))
SETTLED_S = 5.0


def run() -> list[Figure]:
    """Resident megabytes of each main process."""
    with tempfile.TemporaryDirectory(prefix="slotbeat-bench-") as name, stage() as here:
        folder = Path(name)
        here.cap("fleet", 4)
        port = _free_port()
        beat = [sys.executable, "-m", "beat", "-l", "warning"]
        api = [sys.executable, "-m", "uvicorn", "console.api:app", "--port", str(port), "--log-level", "warning"]
        with (
            worker(here, folder, "-Q", "firings") as one,
            started(beat, folder / "beat.log") as two,
            started(api, folder / "api.log") as three,
        ):
            wait_until(lambda: _answers(port), 30, folder / "api.log")
            time.sleep(SETTLED_S)
            found = [
                figure("memory of a worker's main process", "MB", [_rss_mb(one.pid)], bar=("ours", "lower", 75)),
                figure("memory of beat", "MB", [_rss_mb(two.pid)], bar=("ours", "lower", 65)),
                figure("memory of the API", "MB", [_rss_mb(three.pid)], bar=("ours", "lower", 90)),
            ]
            before = _tree_mb(one.pid)
            due(here, [here.workspace("bench")], FIRINGS, payload(folder, "memory", 0))
            while tick(here.admission, here.settings).more:
                pass
            wait_until(lambda: here.sql("select 1 from firings where finished_at is null limit 1") == [], 1800)
            after = _tree_mb(one.pid)
        what = f"a worker with its children after {FIRINGS:,} firings"
        return [*found, figure(what, "MB", [after], limit=[before], bar=("ratio", "lower", 1.1))]


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} is gone")


def _tree_mb(pid: int) -> float:
    """This process and its children: those of the pool."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _rss_mb(pid) + sum(_rss_mb(int(it)) for it in children)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
