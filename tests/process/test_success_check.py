"""REA-4: worker and reaper make the same success check before they settle."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from beat.due import tick
from shared.settings import Settings
from shared.store import activity, attempts
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import by_hand
from tests.process.test_reaper import age, running, status, sweep
from tests.process.test_reaper import station as station
from workers import reaper
from workers.chain import execute
from workers.station import Station

GREEN = {"pattern": "[0-9]+ files"}
RED = {"pattern": "^[0-9]{3} files"}


@pytest.mark.parametrize(("check", "ends"), [(GREEN, ("completed", None)), (RED, ("failed", "check_failed"))])
def test_a_worker_ends_a_firing_as_its_success_check_says(
    fleet: Fleet, station: Station, check: dict[str, Any], ends: tuple[str, str | None]
) -> None:
    target = {"kind": "command", "argv": ["echo", "wrote 12 files"]}
    firing = replace(by_hand(fleet.workspace()), target=target, success_check=check)
    fleet.admission.run_now(firing, activity.Deed("run", "test", {}), queue=False)

    assert execute(station, firing.id, None) == ends[0]

    [(*found, exit_code, result)] = fleet.rows("select status, failure_reason, exit_code, result from firings")
    assert (*found, exit_code, result.strip()) == (*ends, 0, "wrote 12 files")
    assert fleet.rows("select count(token) from slots") == [(0,)]


@pytest.mark.parametrize(("check", "ends"), [(GREEN, ("completed", None)), (RED, ("failed", "check_failed"))])
def test_a_reaper_that_settles_in_a_workers_place_makes_the_check_too(
    fleet: Fleet, station: Station, check: dict[str, Any], ends: tuple[str, str | None]
) -> None:
    """By the result that the worker wrote with the exit, before anything else could go wrong."""
    token = running(fleet, success_check=check)
    attempts.record_exit(fleet.database.connection(), token, 0, None, "wrote 12 files")
    age(fleet, token, 301)

    sweep(fleet, station)

    assert status(fleet, token) == ends
    assert fleet.rows("select result from firings") == [("wrote 12 files",)]


def test_a_check_that_a_sweep_has_no_time_for_is_left_to_the_next(
    fleet: Fleet, station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow checks of many must not keep a sweep from those whose workers are lost."""
    checks = [{"argv": ["touch", str(tmp_path / name)]} for name in "ab"]
    tokens = [running(fleet, check["argv"][1], success_check=check) for check in checks]
    for token in tokens:
        attempts.record_exit(fleet.database.connection(), token, 0, None)
        age(fleet, token, 301)
    times = iter([0.0, 0.0, 11.0])
    station.settings = replace(station.settings, reap_every_s=10)
    with monkeypatch.context() as patched:
        patched.setattr(reaper, "monotonic", lambda: next(times))
        sweep(fleet, station)

    assert len(list(tmp_path.iterdir())) == 1
    sweep(fleet, station)
    assert [status(fleet, token) for token in tokens] == [("completed", None)] * 2


def test_a_firing_is_checked_as_it_was_made_whatever_its_schedule_says_now(fleet: Fleet) -> None:
    """SCH-12: its own copy, from the tick that made it."""
    schedule = fleet.schedule(fleet.workspace(), "s", ["true"], success_check=Jsonb(GREEN))
    tick(fleet.admission, Settings())
    fleet.database.connection().execute("update schedules set success_check = null where id = %s", [schedule])

    assert fleet.rows("select success_check from firings") == [(GREEN,)]
