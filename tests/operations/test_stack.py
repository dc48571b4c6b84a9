"""The very commands of docker-compose.yml, each on a host of its own, several workers and beats among them."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from shared.store.connection import Database
from tests.operations import hosts
from tests.operations.hosts import Host
from tests.operations.test_compose import OURS, seconds
from tests.process.conftest import QUICK, Fleet
from tests.running import Start
from tests.waiting import until

TOKEN = "only-for-this-test-" + "x" * 32
HOSTS = ("beat", "beat", "worker", "worker", "api", "flower")


class Machines:
    """Starts services of the file on hosts of their own."""

    def __init__(self, start: Start, env: dict[str, str], wires: dict[int, Path], folder: Path) -> None:
        self.start, self.env, self.wires, self.folder = start, env, wires, folder
        self.all: list[tuple[str, Host]] = []

    def up(self, service: str, command: list[str] | None = None) -> Host:
        name = f"{service}-{len(self.all) + 1}"
        env = {**self.env, "SLOTBEAT_PULSE_FILE": str(self.folder / name)}
        made = hosts.begin(self.start, name, command or OURS[service]["command"], env, self.wires)
        self.all.append((service, made))
        return made

    def is_healthy(self, service: str, host: Host) -> bool:
        env = {**self.env, "SLOTBEAT_PULSE_FILE": str(self.folder / host.name)}
        return host.run(OURS[service]["healthcheck"]["test"][1:], env).returncode == 0

    def told(self) -> str:
        return "\n".join(f"--- {it.name}\n{it.started.text[-3000:]}" for _, it in self.all)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


def environment(database_url: str, redis_url: str) -> dict[str, str]:
    secrets = {"SLOTBEAT_ADMIN_TOKEN": TOKEN, "FLOWER_BASIC_AUTH": "slotbeat:only for this test"}
    return {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, **secrets}


@pytest.fixture
def machines(empty_database_url: str, redis_url: str, start: Start, tmp_path: Path) -> Iterator[Machines]:
    with hosts.wired(tmp_path, [port_of(empty_database_url), port_of(redis_url)]) as wires:
        made = Machines(start, environment(empty_database_url, redis_url), wires, tmp_path)
        yield made
        for _, host in made.all:
            host.started.end_tree()


@pytest.mark.timeout(240)
def test_what_the_containers_would_run_runs(machines: Machines, empty_database_url: str) -> None:
    """From an empty database to firings that end, healthy all the while, and a stop within the time that is given."""
    migrated = machines.up("migrate")
    assert migrated.started.wait(60) == 0, machines.told()
    assert "migrations applied" in migrated.started.text

    running = [(service, machines.up(service)) for service in HOSTS]
    for service, host in running:
        until(lambda it=(service, host): machines.is_healthy(*it), 90)
    with psycopg.connect(empty_database_url, autocommit=True) as sql:
        nodes = {node for (node,) in sql.execute("select node from processes where kind = 'worker'")}
        assert not hosts.unsharing() or nodes == {"celery@worker-4", "celery@worker-5"}
        make_work(sql, 6)
        until(lambda: ended(sql) == {"completed": 6}, 60)
        assert most_at_once(sql) <= 2

    for service, host in running:
        began = time.monotonic()
        host.stop()
        code = host.started.wait(seconds(OURS[service]["stop_grace_period"]))
        assert code in (0, 128 + signal.SIGTERM, -signal.SIGTERM), (service, code, machines.told())
        assert time.monotonic() - began < seconds(OURS[service]["stop_grace_period"])
    assert "Traceback" not in machines.told()


def make_work(sql: psycopg.Connection[Any], count: int) -> None:
    sql.execute("insert into workspaces (id, name) values (gen_random_uuid(), 'here')")
    sql.execute(
        "insert into schedules (id, workspace_id, name, cron, target, next_run_at)"
        ' select gen_random_uuid(), w.id, n::text, \'0 0 31 12 *\', \'{"kind": "command", "argv": ["true"]}\', now()'
        "   from workspaces w, generate_series(1, %s) as n",
        [count],
    )


def ended(sql: psycopg.Connection[Any]) -> dict[str, int]:
    return dict(sql.execute("select status, count(*)::int from firings group by status").fetchall())


def most_at_once(sql: psycopg.Connection[Any]) -> int:
    row = sql.execute(
        "select max((select count(*) from attempts b where b.claimed_at <= a.claimed_at and b.ended_at > a.claimed_at))"
        "  from attempts a"
    ).fetchone()
    assert row is not None
    return row[0]


# Hosts that come and go -----------------------------------------------------------------------------

WAITS = """
read up rest < /proc/uptime; echo "$up 1" >> "$0"
until test -e "$1"; do sleep 0.05; done
read up rest < /proc/uptime; echo "$up -1" >> "$0"
"""


def most_by_their_own_records(folder: Path) -> int:
    """How many payloads executed at once, by what they wrote themselves, on the one boot clock of this machine."""
    steps = [line.split() for it in folder.glob("*.ran") for line in it.read_text().splitlines()]
    most = now = 0
    # Of two in one hundredth of a second, the end comes first.
    for _, step in sorted((float(at), int(step)) for at, step in steps):
        now += step
        most = max(most, now)
    return most


def running(fleet: Fleet) -> dict[str, int]:
    return dict(fleet.rows("select worker ->> 'node', count(*)::int from attempts where ended_at is null group by 1"))


def wait_for(fleet: Fleet, folder: Path, let_go: Path, count: int) -> None:
    """Schedules that are due, whose payloads run until they are let go."""
    workspace = fleet.workspace()
    for number in range(count):
        argv = ["sh", "-c", WAITS, str(folder / f"{number}.ran"), str(let_go)]
        fleet.schedule(workspace, str(number), argv, max_attempts=3)


@pytest.mark.timeout(240)
def test_workers_on_several_hosts_share_the_cap_and_one_that_comes_or_goes_is_felt_at_once(
    fleet: Fleet, redis_url: str, start: Start, tmp_path: Path
) -> None:
    """Three processes for firings a worker, a cap of five; a host that dies takes nothing with it."""
    database: Database = fleet.database
    let_go = tmp_path / "let go"
    with hosts.wired(tmp_path, [port_of(database.url), port_of(redis_url)]) as wires:
        env = {**environment(database.url, redis_url), **QUICK, "SLOTBEAT_LEASE_SECONDS": "6"}
        machines = Machines(start, env, wires, tmp_path)
        fleet.admission.set_cap("fleet", 5, "test")
        machines.up("beat")
        first = machines.up("worker")
        wait_for(fleet, tmp_path, let_go, 9)

        until(lambda: running(fleet) == {"celery@worker-2": 3}, 60)
        second = machines.up("worker")
        until(lambda: sum(running(fleet).values()) == 5, 60)

        first.started.kill()
        until(lambda: running(fleet) == {"celery@worker-3": 3}, 60)
        let_go.touch()

        assert {it[1] for it in fleet.ended(9, 90)} == {"completed"}
        second.stop()
        assert second.started.wait(60) == 0
        for _, host in machines.all:
            host.started.end_tree()
    # What was killed with its host wrote no end: those three are taken for running until theirs began again.
    assert most_by_their_own_records(tmp_path) <= 5 + 3
    assert fleet.rows("select max(number) from attempts") == [(2,)]
