"""Backup and restore, by the very commands of docs/operations.md."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from console.local.postgres import install
from console.local.servers import Servers, embedded_servers
from shared.settings import Addresses
from tests.operations.installations import installed
from tests.operations.witnesses import Witnesses
from tests.process.conftest import ROOT, Fleet
from tests.waiting import until

OPERATIONS = ROOT / "docs" / "operations.md"
# What is wanted of the path: Postgres's tools, and ours.
PATH = os.pathsep.join([str(install() / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])


def steps(number: int) -> list[str]:
    """The lines of a block of commands in the section on backups."""
    section = OPERATIONS.read_text("utf-8").partition("## Backup and restore")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[number].splitlines()


def run(line: str, of: Fleet, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**of.environment, "PATH": PATH}
    return subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)


def follow(lines: list[str], of: Fleet, folder: Path) -> str:
    """Runs them as a person would; what they said."""
    said = ""
    for line in lines:
        if line == 'redis-cli -u "$REDIS_URL" flushdb':  # the one program that comes with no wheel
            with Redis.from_url(of.environment["REDIS_URL"]) as redis:
                redis.flushdb()
            continue
        told = run(line, of, folder)
        assert told.returncode == 0, (line, told.stdout, told.stderr)
        said += told.stdout
    return said


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Servers]:
    """Other servers, without our roles."""
    with embedded_servers(tmp_path / "elsewhere") as servers:
        yield servers


@pytest.mark.timeout(180)
def test_what_ran_at_the_moment_of_the_backup_goes_on_after_the_restore_and_nothing_runs_twice(
    fleet: Fleet, elsewhere: Servers, tmp_path: Path
) -> None:
    told = Witnesses(tmp_path / "told")
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "6"
    fleet.beat()
    fleet.worker(concurrency=6)
    told.wait(fleet, 3)
    until(lambda: len(told.tokens()) == 2)
    follow(steps(0), fleet, tmp_path)
    fleet.admission.set_cap("fleet", 4, "test")
    fleet.schedule(fleet.workspace("later"), "later", told.argv())
    known = until(lambda: found if len(found := told.tokens()) == 4 else set[int]())
    for it in fleet.started:
        it.end_tree()

    where = Addresses(elsewhere.database_url, elsewhere.redis_url, elsewhere.redis_url, "slotbeat")
    with Redis.from_url(elsewhere.redis_url) as redis:
        redis.set("{slotbeat}:epoch", 999)
    with installed(fleet, where) as restored:
        assert "up to date" in follow(steps(1), restored, tmp_path)
        restored.worker("w2")
        restored.beat()
        until(lambda: restored.rows("select count(ended_at), count(*) from attempts") == [(2, 4)])
        until(lambda: run("slotbeat doctor", restored, tmp_path).returncode == 0)
        told.let_go.touch()

        assert restored.ended(3) == [(str(it), "completed", None) for it in range(3)]
        # Two again, for they were under way; none of the tokens of the first life is given out in the second.
        assert restored.rows("select count(*) from attempts") == [(5,)]
    assert min(told.tokens() - known) > max(known) + 1_000_000
