"""Maintenance that nobody serves: its messages do not pile up, and what there is costs next to nothing."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis import Redis

from beat import scheduler
from beat.scheduler import AFTER_TROUBLE_S, MOST_WAITING, Scheduler
from shared.celery_app import MAINTENANCE, REAP, close_app, make_app, publish_maintenance, waiting_in
from tests.process.conftest import Fleet
from tests.process.test_reaper import age, running, status
from tests.process.test_reaper import station as station
from workers import reaper
from workers.station import Station


@pytest.fixture
def beat(fleet: Fleet) -> Iterator[Scheduler]:
    app = make_app("beat")
    made = Scheduler(app=app)
    yield made
    made.close()
    made.admission.gate.redis.close()
    close_app(app)


def test_a_backlog_of_maintenance_has_a_bound_and_goes_on_when_it_is_served(fleet: Fleet, beat: Scheduler) -> None:
    """Without any clock of a host: a message that expires would never be run by a worker whose clock is ahead."""
    assert waiting_in(beat.app, MAINTENANCE) == 0
    for _ in range(2 * MOST_WAITING):
        beat.last.clear()
        beat._send_maintenance()
    with Redis.from_url(fleet.environment["REDIS_URL"]) as broker:
        piled = broker.llen(MAINTENANCE)
        broker.delete(MAINTENANCE)
        beat.last.clear()
        beat._send_maintenance()
        after = broker.llen(MAINTENANCE)

    assert MOST_WAITING <= piled < MOST_WAITING + 10
    assert 0 < after < 10


def test_of_a_backlog_of_sweeps_one_judges_and_the_others_end_at_once(fleet: Fleet, station: Station) -> None:
    """REA-3: forty messages are one sweep, so a lost worker is not lost any sooner."""
    token = running(fleet)
    age(fleet, token, 80)
    station.settings = type(station.settings)(reap_every_s=10)

    told = [reaper.sweep(station) for _ in range(40)]

    assert told == [{}] * 40
    assert status(fleet, token) == ("running", None)
    assert fleet.rows("select dead_ticks from attempts") == [(1,)]
    publish_maintenance(fleet.admission.app, REAP)
    assert waiting_in(fleet.admission.app, MAINTENANCE) == 1


def test_after_a_lost_broker_it_is_asked_again_and_beat_lives_on(fleet: Fleet, beat: Scheduler) -> None:
    """What a send does that fails: kombu puts the connection back into its pool, closed."""
    with suppress(ConnectionError), beat.app.amqp.producer_pool.acquire(block=True) as producer:
        producer.connection.connect()
        raise ConnectionError

    beat.last.clear()
    beat._send_maintenance()

    assert waiting_in(beat.app, MAINTENANCE) > 0


def broken_library(_: object) -> None:
    raise AttributeError("'NoneType' object has no attribute 'connection'")


def test_whatever_goes_wrong_in_a_tick_beat_ticks_on(
    fleet: Fleet, beat: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that hands out None for a connection raises AttributeError, which no list of errors foresees."""
    fleet.schedule(fleet.workspace(), "a", ["true"])
    with monkeypatch.context() as broken:
        broken.setattr(scheduler, "end_pauses", broken_library)
        assert beat.tick() == AFTER_TROUBLE_S

    beat.tick()

    assert fleet.rows("select count(*) from firings") == [(1,)]
