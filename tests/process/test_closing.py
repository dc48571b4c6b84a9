"""A worker that is told to stop between a claim and its payload."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from redis import Redis

from shared.store.invariants import broken
from tests.process.conftest import Fleet
from tests.process.test_following import broker, in_line, told_to_stop_before
from workers import chain, settle, shop
from workers.chain import execute
from workers.relay import Relay
from workers.station import Station

__all__ = ["broker"]

# As what it is told, and which firings that leaves in line.
MOMENTS: dict[str, tuple[Any, str, list[str]]] = {
    "it came by message": (chain, "see_through", ["a", "b"]),
    "it was claimed along with a settle": (Relay, "heard", ["b"]),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_claimed_and_not_begun_goes_back_uncharged(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Its worker has said by then which attempts it interrupts: killed with it, this one would be charged."""
    owner, step, left = MOMENTS[moment]
    first, *_ = in_line(fleet, "a", "b")
    told_to_stop_before(monkeypatch, owner, step)
    execute(station, first, "celery-1")

    waiting = fleet.rows("select title, attempt_count from firings where status = 'queued' order by title")
    assert waiting == [(title, 0) for title in left]
    tried = "select title, outcome from attempts a join firings f on f.id = a.firing_id where outcome <> 'completed'"
    assert fleet.rows(tried) == [(left[0], "not_started")]
    usage = fleet.admission.ask(lambda gate: gate.usage())
    assert (usage.limits[0].used, usage.reserved, usage.waiting) == (1, 1, len(left) - 1), "promised to the first"
    assert fleet.rows("select count(token) from slots") == [(0,)]


def test_a_worker_that_closes_while_an_answer_is_lost_gives_back_what_it_may_have(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SLT-6: the next was claimed by a commit that nobody heard of; else its worker counts as lost, and it as tried."""
    first, *_ = in_line(fleet, "a", "b")
    really, broke = settle.sent_together, list[str]()

    @contextmanager
    def breaks_once(*given: Any) -> Iterator[None]:
        with really(*given):
            yield
        if not broke:
            broke.append("after it")
            monkeypatch.setattr(shop, "is_open", lambda: False)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(settle, "sent_together", breaks_once)
    execute(station, first, "celery-1")

    told = fleet.rows(
        "select f.title, f.status, f.attempt_count, a.outcome from firings f join attempts a on a.firing_id = f.id"
        " order by f.title"
    )
    assert told == [("a", "completed", 1, "completed"), ("b", "queued", 0, "not_started")]
    assert not broken(fleet.database.connection())
