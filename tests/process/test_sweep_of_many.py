"""A sweep over many at once: ended together, and nobody hindered by a neighbour."""

from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg import OperationalError

from shared.settings import Settings
from shared.store import attempts
from shared.store.liveness import LiveAttempt
from tests.databases import away
from tests.process.conftest import Fleet
from tests.process.test_reaper import age, running, status, sweep
from tests.process.test_reaper import station as station
from workers import reaper
from workers.outcome import Outcome
from workers.settle import settle, settle_together
from workers.station import Station

REFUSES_BAD = """
    create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$;
    create trigger refuse before update on firings for each row
      when (old.title = 'bad' and new.status = 'failed') execute function refuse()
"""


def lost_with_a_bad_one(fleet: Fleet, station: Station, *titles: str) -> list[int]:
    """Tokens of attempts that the next sweep ends; the end of what is titled "bad" is refused by Postgres."""
    tokens = [running(fleet, title) for title in titles]
    fleet.database.connection().execute(REFUSES_BAD)
    for token in tokens:
        age(fleet, token, 80)
    sweep(fleet, station)
    for token in tokens:
        age(fleet, token, 16)
    return tokens


def test_an_ending_that_postgres_refuses_stops_none_of_those_it_was_sent_with(fleet: Fleet, station: Station) -> None:
    """REA-9: they share a transaction; then each has its own."""
    tokens = lost_with_a_bad_one(fleet, station, "good", "bad", "fine")

    counts = sweep(fleet, station)

    assert [status(fleet, token)[0] for token in tokens] == ["failed", "running", "failed"]
    assert counts == {"failed_rows": 1, "worker_lost_total": 2}
    assert fleet.rows("select count(*) from activity_logs where type = 'reaped'") == [(2,)]


def test_one_that_cannot_be_ended_is_found_by_halves(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REA-9: ended one by one, a hundred take longer than a sweep may, as often as there is a bad one among them."""
    lost_with_a_bad_one(fleet, station, *(["good"] * 9 + ["bad"] + ["good"] * 6))
    together = list[int]()

    def counted(database: Any, ended: Any, settings: Any) -> Any:
        together.append(len(ended))
        return settle_together(database, ended, settings)

    monkeypatch.setattr(reaper, "settle_together", counted)
    counts = sweep(fleet, station)

    assert counts == {"failed_rows": 1, "worker_lost_total": 15}
    assert together == [16, 8, 8, 4, 2, 1, 1, 2, 4]


def test_more_than_one_read_of_suspects_is_judged_in_one_sweep(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REA-9: also where the first ones read are left alone, and where many are of one schedule."""
    monkeypatch.setattr(reaper, "BATCH", 2)
    kept = [running(fleet, "kept") for _ in range(3)]
    for token in kept:
        attempts.record_exit(fleet.database.connection(), token, 0, None)
        age(fleet, token, 100)
    lost = [running(fleet) for _ in range(5)]
    for step in (80, 16):
        for token in lost:
            age(fleet, token, step)
        counts = sweep(fleet, station)

    assert counts == {"worker_lost_total": 5}
    assert [status(fleet, token)[0] for token in kept] == ["running"] * 3


def test_firings_of_one_schedule_are_ended_one_after_the_other() -> None:
    """Each adds to the streak that the one before left."""
    schedule = uuid4()
    condemned = [
        (cast("LiveAttempt", SimpleNamespace(token=n, schedule_id=of)), Outcome("worker_lost"))
        for n, of in enumerate([schedule, None, schedule, None, schedule])
    ]

    assert [[it.token for it, _ in batch] for batch in reaper.apart(condemned)] == [[0, 1, 3], [2], [4]]


def test_a_sweep_whose_postgres_goes_away_ends_and_the_next_one_finds_all(
    fleet: Fleet, station: Station, maker: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row by itself would wait for the same server, five seconds where it takes connections and is silent."""
    tokens = [running(fleet) for _ in range(3)]
    for token in tokens:
        age(fleet, token, 80)
    sweep(fleet, station)
    for token in tokens:
        age(fleet, token, 16)
    tried: list[int] = []

    with ExitStack() as gone, monkeypatch.context() as patched:

        def into_nothing(*given: Any, end: Callable[..., Any] = settle_together) -> Any:
            if not tried:
                gone.enter_context(away(maker, fleet.database.url))
            tried.append(len(given[1]))
            return end(*given)

        patched.setattr(reaper, "settle_together", into_nothing)
        with pytest.raises(OperationalError):
            sweep(fleet, station)  # which cannot say either that it is over
    assert tried == [3]
    fleet.database.close()

    assert sweep(fleet, station) == {"worker_lost_total": 3}


def test_an_attempt_ends_over_a_connection_that_took_a_transaction_back(fleet: Fleet) -> None:
    """psycopg drops all statements of its connection then, and with its own those that a settle had prepared."""
    for taken_back in (False, False, False, True, False):
        token = running(fleet)
        assert settle(fleet.database, token, Outcome(None, exit_code=0), Settings()).answer == "ok"
        assert status(fleet, token) == ("completed", None)
        if taken_back:
            with pytest.raises(ZeroDivisionError), fleet.database.transaction():
                raise ZeroDivisionError
