"""Postgres dies for good, and its synchronous standby takes over behind the same address of two hosts."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from console.local.postgres import SAME_USER, Postgres, install
from console.local.server import Server
from console.local.servers import Servers
from shared.store.migrate import migrate
from tests.operations.witnesses import Witnesses
from tests.process.conftest import Fleet
from tests.waiting import until

SETTLED = re.compile(r"firing\.settled .*token=(\d+)")


@dataclass
class Pair:
    """A primary that answers no commit before its standby has it on disk."""

    primary: Server
    standby: Server

    @property
    def url(self) -> str:
        """Whichever of them can be written to."""
        password = self.primary.url.partition("@")[0]
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"{password}@{hosts}/postgres?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """As a manager of clusters does it: the old one is dead, and the new one is told so."""
        self.primary.kill()
        with psycopg.connect(self.standby.url, autocommit=True) as sql:
            assert sql.execute("select pg_promote()").fetchone() == (True,)


@pytest.fixture
def pair(own_servers: Servers, tmp_path: Path) -> Iterator[Pair]:
    primary, folder = own_servers.postgres, tmp_path / "standby"
    folder.mkdir()
    folder.chmod(0o711)
    shutil.copy(tmp_path / "servers" / "password", folder / "password")
    kind = Postgres(folder / "postgres", durable=True)
    told = f"{primary.url}?application_name=standby"
    copy = [
        install() / "bin" / "pg_basebackup",
        "-d",
        told,
        "-D",
        kind.data,
        "--write-recovery-conf",
        "--checkpoint=fast",
    ]
    subprocess.run(copy, check=True, capture_output=True)
    if kind.user != SAME_USER:
        subprocess.run(["chown", "-R", kind.user, kind.data], check=True)
    standby = Server(kind, tmp_path / "standby.log")
    standby.start()
    with psycopg.connect(primary.url, autocommit=True) as sql:
        sql.execute("alter system set synchronous_standby_names = 'standby'")
        sql.execute("select pg_reload_conf()")
        until(lambda: sql.execute("select sync_state from pg_stat_replication").fetchall() == [("sync",)])
    yield Pair(primary, standby)
    standby.stop()


@pytest.fixture
def database_url(pair: Pair) -> str:
    """The fleet's database, in place of the one that is shared."""
    migrate(pair.url)
    return pair.url


@pytest.mark.timeout(180)
def test_nothing_that_was_acknowledged_is_lost_with_the_primary_and_what_runs_goes_on(
    fleet: Fleet, pair: Pair, tmp_path: Path
) -> None:
    """A lease of 30 s outlives it: two payloads execute through it, while others end by the dozen."""
    told = Witnesses(tmp_path / "told")
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "30"
    fleet.admission.set_cap("fleet", 4, "test")
    worker, _ = fleet.worker(concurrency=6), fleet.beat()
    told.wait(fleet, 2)
    until(lambda: len(told.tokens()) == 2)
    many = fleet.workspace("many")
    for number in range(60):
        fleet.schedule(many, f"quick {number}", ["true"])
    settled = until(lambda: found if len(found := SETTLED.findall(worker.text)) > 9 else [])

    pair.fail_over()
    fleet.database.close()

    ended = {str(it) for (it,) in fleet.rows("select token from attempts where ended_at is not null")}
    assert ended.issuperset(settled), "what a worker was told to be settled"
    live = {it for (it,) in fleet.rows("select token from attempts where ended_at is null")}
    assert live >= told.tokens(), "what executes"
    until(lambda: fleet.rows("select count(*) from firings where status = 'completed'") == [(60,)], 60)
    assert told.tokens() <= live, "none of them began again"
    told.let_go.touch()
    assert {it[1] for it in fleet.ended(62)} == {"completed"}
    assert told.most_at_once() == 2
    assert "Traceback" not in worker.text
