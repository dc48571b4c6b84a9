"""An upgrade while firings run, and back, in the order of docs/operations.md: to a copy with a migration more."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.operations.witnesses import Witnesses
from tests.process.conftest import ROOT, Fleet
from tests.running import Started
from tests.waiting import until

PACKAGES = ("beat", "console", "shared", "workers")
NEWER = "9999_newer.sql"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Whoever starts in this folder starts the new release."""
    folder = tmp_path / "release"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "shared" / "migrations" / NEWER).write_text("alter table schedules add column newer text;\n")
    return folder


def said(fleet: Fleet, release: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "console.cli", *words]
    return subprocess.run(argv, env=fleet.environment, cwd=release, capture_output=True, text=True, check=False).stdout


def findings(fleet: Fleet, release: Path) -> list[list[str]]:
    told = said(fleet, release, "doctor").splitlines()
    return [line.split()[:3] for line in told if line.startswith(("warn", "fail"))]


def replaced(fleet: Fleet, release: Path, old: Started, *celery: str) -> Started:
    """The new one starts beside the old, which is told to stop."""
    new = fleet.begin("python", "-m", "celery", *celery, env=fleet.environment, cwd=release)
    until(lambda: new.says("beat: Starting") or new.says(" ready."))
    old.process.terminate()
    assert old.wait(30) == 0, old.text
    return new


def the_older_goes_on(fleet: Fleet, beat: Started, worker: Started) -> None:
    """Back again, on the newer schema."""
    back = replaced(fleet, ROOT, worker, "-A", "workers", "worker", "-c", "3", "-n", "back@test", "-l", "info")
    replaced(fleet, ROOT, beat, "-A", "beat", "beat", "-l", "info")
    fleet.schedule(fleet.workspace("back"), "back", ["true"])
    assert ("back", "completed", None) in fleet.ended(5)
    assert said(fleet, ROOT, "migrate") == ""
    assert findings(fleet, ROOT) == [["fail", "schema", "newer"], ["warn", "redis", "disk"]]
    assert "Traceback" not in back.text


@pytest.mark.timeout(180)
def test_firings_go_on_through_a_migration_and_the_replacement_of_every_process(
    fleet: Fleet, release: Path, tmp_path: Path
) -> None:
    told = Witnesses(tmp_path / "told")
    fleet.environment.update(SLOTBEAT_SHUTDOWN_GRACE_S="0.2", SLOTBEAT_LEASE_SECONDS="6")
    worker, beat = fleet.worker("old"), fleet.beat()
    told.wait(fleet, 3)
    until(lambda: len(told.tokens()) == 2)

    assert said(fleet, release, "migrate") == "1 migrations applied\n"
    assert said(fleet, release, "migrate") == "up to date\n"
    # The old worker serves the new schema.
    fleet.admission.set_cap("fleet", 3, "test")
    until(lambda: len(told.tokens()) == 3)
    beat_of_new = replaced(fleet, release, beat, "-A", "beat", "beat", "-l", "info")
    fleet.admission.set_cap("fleet", 4, "test")
    fleet.schedule(fleet.workspace("later"), "later", told.argv(), max_attempts=3)
    until(lambda: fleet.rows("select count(*) from firings") == [(4,)])
    new = replaced(fleet, release, worker, "-A", "workers", "worker", "-c", "6", "-n", "new@test", "-l", "info")
    until(lambda: fleet.rows("select count(*) from attempts where ended_at is null") == [(4,)])
    # The servers of the tests keep nothing on disk; that is all there is to say.
    until(lambda: findings(fleet, release) == [["warn", "redis", "disk"]])
    told.let_go.touch()

    assert {it[1] for it in fleet.ended(4)} == {"completed"}
    assert told.most_at_once() <= 4
    # Interrupted, not charged: nobody lost an attempt by it.
    ends = dict(fleet.rows("select coalesce(exit_reason, 'done'), count(*)::int from attempts group by 1"))
    assert ends == {"interrupted": 3, "done": 4}
    assert "Traceback" not in new.text + worker.text + beat.text
    the_older_goes_on(fleet, beat_of_new, new)
