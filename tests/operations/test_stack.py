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

from tests.operations import hosts
from tests.operations.hosts import Host
from tests.operations.test_compose import OURS, seconds
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
