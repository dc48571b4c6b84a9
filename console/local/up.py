"""`slotbeat up`: the whole stack on one machine, until Ctrl-C."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from console.local import logs
from console.local.parts import API, SLOTBEAT, Stack, environment
from console.local.passwords import kept_password
from console.local.ports import claim_port, free_port
from console.local.running import answers
from console.local.server import Server, ServerFailed
from console.local.servers import Servers, make_folder
from console.local.signals import Asked, listening
from console.local.state import State, claim, forget, publish, publish_ready, read
from console.local.supervisor import Supervisor
from console.local.theirs import check_theirs

DEFAULT_PORT = 8000
STARTING_LOOK_EVERY_S, LOOK_EVERY_S = 0.05, 0.5
WAIT_READY_S = 60.0


class CannotStart(Exception):
    """Why `up` gave up: one sentence with a remedy."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller of `up` asked for."""

    folder: Path
    port: int | None
    workers: int
    demo: bool
    stack: Stack


def up(folder: Path, port: int | None, workers: int, demo: bool, stack: Stack = SLOTBEAT) -> int:
    """Runs everything until it is asked to stop; answers an exit status. Call it from the main thread."""
    folder = folder.absolute()
    try:
        make_folder(folder)
        lock = claim(folder)
        if lock is None:
            return point_to_the_first(folder)
        try:
            with listening() as asked:
                return run(Wishes(folder, port, workers, demo, stack), asked)
        finally:
            os.close(lock)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        remedy = "choose a folder that can be written and has room, with --dir"
        print(f"slotbeat up: {error.filename or folder}: {error.strerror or error}: {remedy}", file=sys.stderr)
        return 1
    except (CannotStart, ServerFailed, psycopg.Error, RuntimeError) as error:
        print(f"slotbeat up: {error}", file=sys.stderr)
        return 1


def point_to_the_first(folder: Path) -> int:
    state = read(folder)
    if state is None:
        print(f"Already starting in {folder}, in another terminal.")
    else:
        print(f"Already running in {folder} (pid {state.pid}):")
        tell_addresses(folder, state)
    return 0


def run(wishes: Wishes, asked: Asked) -> int:
    check_theirs(os.environ)
    servers = Servers(wishes.folder)
    own = [server for name, server in by_variable(servers).items() if not os.environ.get(name)]
    with claimed_port(wishes.port) as api_port:
        try:
            servers.start(own)
            state = where_things_are(wishes.folder, servers, api_port)
            publish(wishes.folder, state)
            if wishes.port is None and api_port != DEFAULT_PORT:
                say("Port", f"{DEFAULT_PORT} is taken by something else: the dashboard is at {api_port}")
            tell_servers(servers, own)
            applied = wishes.stack.migrate(state.database_url)
            say("Schema", f"{len(applied)} migrations applied" if applied else "up to date")
            keep_running(wishes, asked, state, own)
        except KeyboardInterrupt:
            servers.kill()
            raise
        finally:
            servers.stop()
            forget(wishes.folder)
    say("Stopped", f"data stays in {wishes.folder}")
    return 0


def keep_running(wishes: Wishes, asked: Asked, state: State, own: list[Server]) -> None:
    supervisor = Supervisor(wishes.folder / "logs", environment(state), say)
    supervisor.add(wishes.stack.parts(state, wishes.workers))
    first = FirstStart(wishes, state, in_own_database=any(server.kind.name == "Postgres" for server in own))
    told = False
    try:
        while not asked.to_stop:
            revive(own)
            supervisor.step()
            logs.bound(wishes.folder / "logs")
            first.step(supervisor)
            state = publish_ready(wishes.folder, state, supervisor.all_up)
            if state.ready and not told:
                told = True
                tell_addresses(wishes.folder, state)
                say("", "Stop with Ctrl-C. Data stays.")
            asked.wait(LOOK_EVERY_S if state.ready else STARTING_LOOK_EVERY_S)
        say("Stopping", "workers first")
        supervisor.stop()
    finally:
        supervisor.kill()


class FirstStart:
    """What only the first start in a folder does, once the API is there."""

    def __init__(self, wishes: Wishes, state: State, in_own_database: bool) -> None:
        self._done = wishes.folder / "first-start-done"
        self._part = wishes.stack.first_start(state, wishes.folder)
        # A database that somebody gave us may be a real one: it gets its demo from `slotbeat demo`, or never.
        self._wanted = wishes.demo and in_own_database
        self._pending = not self._done.exists()
        self._added = False

    def step(self, supervisor: Supervisor) -> None:
        if not self._pending or not supervisor.is_up(API):
            return
        if self._wanted and not self._added:
            self._added = True
            supervisor.add([self._part])
        elif not self._wanted or supervisor.is_up(self._part.name):
            self._pending = False
            self._done.touch()


def revive(own: list[Server]) -> None:
    for server in own:
        if not server.running:
            say(server.kind.name, f"ended; starting it again (its log: {server.log})")
            server.restart()


def by_variable(servers: Servers) -> dict[str, Server]:
    return {"DATABASE_URL": servers.postgres, "REDIS_URL": servers.redis}


def where_things_are(folder: Path, servers: Servers, api_port: int) -> State:
    return State(
        pid=os.getpid(),
        api_port=api_port,
        flower_port=free_port(),
        flower_password=kept_password(folder / "flower-password"),
        database_url=os.environ.get("DATABASE_URL") or servers.database_url,
        redis_url=os.environ.get("REDIS_URL") or servers.redis_url,
    )


@contextlib.contextmanager
def claimed_port(wished: int | None) -> Iterator[int]:
    for port in (wished,) if wished is not None else (DEFAULT_PORT, free_port(), free_port()):
        held = claim_port(port)
        if held is not None:
            with held:
                yield port
            return
    raise CannotStart(f"port {wished} is taken: choose another with --port, or leave it out for a free one")


def tell_servers(servers: Servers, own: list[Server]) -> None:
    for variable, server in by_variable(servers).items():
        where = f"127.0.0.1:{server.port}  {server.kind.data}" if server in own else f"yours, from {variable}"
        say(server.kind.name, where)


def tell_addresses(folder: Path, state: State) -> None:
    say("", "")
    say("Dashboard", state.api_url)
    say("API docs", f"{state.api_url}/api/docs")
    say("Flower", f"{state.flower_url} (user {state.flower_user}, password in {folder / 'state.json'})")


def say(name: str, what: str) -> None:
    # The terminal may be gone, which is no reason to stop halfway through stopping.
    with contextlib.suppress(OSError):
        print(f"{name:<11} {what}".rstrip(), flush=True)


def wait_ready(folder: Path, within_s: float = WAIT_READY_S) -> int:
    """Waits for the `up` of this folder: 0 once every part answers, 1 with the reason when time is up."""
    until = time.monotonic() + within_s
    while True:
        state = read(folder)
        if state is not None and all_answer(state):
            print(f"ready: {state.api_url}")
            return 0
        if time.monotonic() > until:
            break
        time.sleep(STARTING_LOOK_EVERY_S)
    why = f"`slotbeat up` does not run in {folder}" if state is None else f"not every part is up: see {folder / 'logs'}"
    print(f"slotbeat up: waited {within_s:.0f} s, but {why}", file=sys.stderr)
    return 1


def all_answer(state: State) -> bool:
    return state.ready and answers(state.api_port, "/readyz") and answers(state.flower_port, "/healthcheck")
