"""How a payload ended is written alone and first, whatever becomes of what follows (REA-4)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.store import activity
from tests.process.conftest import Fleet
from tests.process.test_following import command, in_line
from tests.process.test_lost_workers import by_hand
from workers import execute as steps
from workers import settle
from workers.chain import execute
from workers.station import Station


def test_an_exit_is_written_before_its_check_is_made(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REA-4."""
    firing = replace(by_hand(fleet.workspace()), target=command("true"), success_check={"argv": ["true"]})
    fleet.admission.run_now(firing, activity.Deed("run", "test", {}), queue=True)
    recorded: list[Any] = []
    really = steps.check

    def looked_at(*given: Any) -> Any:
        recorded.extend(fleet.rows("select exited_at is not null, exit_code from attempts"))
        return really(*given)

    monkeypatch.setattr(steps, "check", looked_at)
    execute(station, firing.id, "celery-1")

    assert recorded == [(True, 0)]
    assert fleet.rows("select status from firings") == [("completed",)]


def test_an_exit_stands_although_the_settle_that_was_sent_with_it_fails(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REA-4."""

    def breaks(*_: Any) -> None:
        raise RuntimeError("as if")

    [first] = in_line(fleet, "a")
    monkeypatch.setattr(settle, "learn", breaks)
    with pytest.raises(RuntimeError):
        execute(station, first, "celery-1")

    assert fleet.rows("select exit_code, exited_at is not null, ended_at from attempts") == [(0, True, None)]


def test_nothing_waits_for_an_exit_that_goes_ahead(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who waits sends a Sync: of a settle one behind its read and one behind its commit, and none for its exit."""
    first, _ = in_line(fleet, "a", "b")
    really, waits = steps.settle, list[int]()

    def overheard(*given: Any) -> Any:
        line, told = station.database.connection().pgconn, tmp_path / "told"
        with told.open("wb") as file:
            line.trace(file.fileno())
            try:
                return really(*given)
            finally:
                line.untrace()
                waits.append(told.read_text(errors="replace").count("\tSync"))

    monkeypatch.setattr(steps, "settle", overheard)
    execute(station, first, "celery-1")

    assert waits == [2, 2]
    assert fleet.rows("select status, exit_code from firings") == [("completed", 0)] * 2
