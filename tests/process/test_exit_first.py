"""How a payload ended is written alone and first, whatever becomes of the settle."""

from typing import Any

import pytest

from tests.process.conftest import Fleet
from tests.process.test_following import in_line
from workers import settle
from workers.chain import execute
from workers.station import Station


def test_an_exit_stands_although_the_settle_that_was_sent_with_it_fails(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("as if")

    [first] = in_line(fleet, "a")
    monkeypatch.setattr(settle, "learn", breaks)
    with pytest.raises(RuntimeError):
        execute(station, first, "celery-1")

    assert fleet.rows("select exit_code, exited_at is not null, ended_at from attempts") == [(0, True, None)]
