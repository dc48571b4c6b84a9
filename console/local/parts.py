"""The parts of the stack on one machine, as data: what is started, and how one sees that it is up."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from console.local.ports import LOOPBACK
from console.local.state import State

API = "API"


@dataclass(frozen=True, slots=True)
class Answers:
    """Up when this path answers 200."""

    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Says:
    """Up when its log, since its start, holds these words."""

    words: str


@dataclass(frozen=True, slots=True)
class Finishes:
    """Up when it has ended with status 0; it is not started again."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack."""

    name: str
    argv: tuple[str, ...]
    ready: Answers | Says | Finishes
    shows: str = "ready"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    # Workers stop before all others: what they end is still to be recorded, shown and handed over.
    stops_first: bool = False

    @property
    def log_name(self) -> str:
        return f"{self.name.lower().replace(' ', '-')}.log"


@dataclass(frozen=True, slots=True)
class Stack:
    """What `up` starts: the parts, what comes before them, and what a first start adds to them."""

    parts: Callable[[State, int], list[Part]]
    migrate: Callable[[str], list[str]]
    first_start: Callable[[State, Path], Part]


def slotbeat_parts(state: State, workers: int) -> list[Part]:
    """Beat, `workers` workers, the API with the dashboard, and Flower."""
    return [
        Part("Beat", python("beat", "--loglevel", "INFO"), Says("beat: Starting")),
        *[worker(number) for number in range(1, workers + 1)],
        api(state),
        flower(state),
    ]


def worker(number: int) -> Part:
    name = f"slotbeat-{number}@%h"
    # Without the search for neighbours, which takes a second of each start: workers meet in Postgres.
    quiet = ("--without-mingle", "--without-gossip")
    argv = python("workers", "--concurrency", "4", "-n", name, "-l", "INFO", *quiet)
    return Part(f"Worker {number}", argv, Says(" ready."), stops_first=True)


def api(state: State) -> Part:
    address = ("--host", LOOPBACK, "--port", str(state.api_port))
    # A browser that follows a firing's events would keep the API from ending.
    argv = python("uvicorn", "console.api:app", *address, "--no-access-log", "--timeout-graceful-shutdown", "1")
    return Part(API, argv, Answers(state.api_port, "/readyz"), shows=state.api_url)


def flower(state: State) -> Part:
    address = (f"--address={LOOPBACK}", f"--port={state.flower_port}")
    # It looks. Who acts does so in the dashboard, where it is written down.
    argv = python("celery", "-A", "workers", "flower", *address, "--read_only")
    # Not on the command line, which every user of the machine can read.
    password = {"FLOWER_BASIC_AUTH": f"{state.flower_user}:{state.flower_password}"}
    return Part("Flower", argv, Answers(state.flower_port, "/healthcheck"), state.flower_url, password)


def demo(state: State, folder: Path) -> Part:
    """Loads the demo fleet through the API, in a process of its own that cannot break the others."""
    program = "import sys, pathlib; from console.local.demo import load; load(sys.argv[1], pathlib.Path(sys.argv[2]))"
    argv = (sys.executable, "-c", program, state.api_url, str(folder))
    return Part("Demo fleet", argv, Finishes(), shows="loaded")


def migrate(database_url: str) -> list[str]:
    from shared.store.migrate import migrate as run_migrations

    return run_migrations(database_url)


def python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


SLOTBEAT = Stack(parts=slotbeat_parts, migrate=migrate, first_start=demo)


def environment(state: State) -> dict[str, str]:
    """What every part sees: ours, with the addresses of the servers."""
    local = {
        # Ctrl-C should take seconds; a payload that needs longer is put back in line by the next start.
        "SLOTBEAT_SHUTDOWN_GRACE_S": "3",
        "PYTHONUNBUFFERED": "1",
    }
    servers = {"DATABASE_URL": state.database_url, "REDIS_URL": state.redis_url}
    return {**local, **os.environ, **servers}
