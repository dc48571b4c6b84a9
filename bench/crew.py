"""Processes that a benchmark starts: workers of ours, and programs of peers in an environment of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.stage import Stage

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
_PEERS_HOME = ROOT / ".slotbeat" / "bench-venv"
_NODE_HOME = ROOT / ".slotbeat" / "bench-node"


@contextmanager
def started(argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program with what it says in a log; at the end it is asked to stop, then made to."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def worker(here: Stage, folder: Path, *options: str, concurrency: int = 4) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as in production, ready for firings."""
    name = f"bench{len(list(folder.glob('worker*.log')))}@bench"
    argv = [sys.executable, "-m", "workers", "-n", name, "-c", str(concurrency), *options]
    log = folder / f"worker-{name}.log"
    with started([*argv, "-l", "warning"], log) as process:
        wait_until(lambda: here.sql("select 1 from processes where node = %(node)s", node=name) != [], 30, log)
        yield process


def wait_until(is_true: Callable[[], object], within_s: float, log: Path | None = None) -> None:
    """Waits for a condition; after so long it says so, with the end of the log."""
    until = time.monotonic() + within_s
    while not is_true():
        if time.monotonic() >= until:
            said = "" if log is None or not log.exists() else log.read_text(errors="replace")[-4000:]
            raise SystemExit(f"nothing came of it within {within_s:g} s\n{said}")
        time.sleep(0.005)


def peers_node() -> dict[str, str] | None:
    """The environment in which Node finds the peers that are written for it; None where there is no Node or npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    wanted, mark = (PEERS / "package.json").read_text(), _NODE_HOME / "package.json"
    if not (_NODE_HOME / "node_modules").exists() or mark.read_text() != wanted:
        print("installing the peers of Node into .slotbeat/bench-node (once)", flush=True)
        _NODE_HOME.mkdir(parents=True, exist_ok=True)
        mark.write_text(wanted)
        subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund"], cwd=_NODE_HOME, check=True)
    return {"NODE_PATH": str(_NODE_HOME / "node_modules")}


def peers_python() -> str:
    """The Python of the peers, who are installed for the benchmark alone; their environment is made on first use."""
    python = _PEERS_HOME / "bin" / "python"
    wanted = (PEERS / "requirements.txt").read_text()
    mark = _PEERS_HOME / "made-of"
    if not mark.exists() or mark.read_text() != wanted:
        print("installing the peers into .slotbeat/bench-venv (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(_PEERS_HOME)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(PEERS / "requirements.txt")], check=True)
        mark.write_text(wanted)
    return str(python)
