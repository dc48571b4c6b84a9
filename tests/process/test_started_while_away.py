"""Workers and beats that are started while a server is away wait for it, and then do what they were started for."""

import signal

import pytest

from console.local.servers import Servers
from shared.store import activity
from tests.process.conftest import Fleet
from tests.process.test_postgres_away import Away, away
from tests.store.rows import by_hand
from tests.waiting import until

__all__ = ["away"]

CAP = {"SLOTBEAT_MAX_CONCURRENT": "7"}


def cap(fleet: Fleet) -> int:
    return fleet.rows("select cap from limits where key = 'fleet'")[0][0]


def runs_one(fleet: Fleet) -> None:
    fleet.admission.run_now(by_hand(fleet.workspace()), activity.Deed("run", "test", {}), queue=True)
    assert [it[1] for it in fleet.ended()] == ["completed"]


def test_a_worker_waits_for_postgres(fleet: Fleet, away: Away) -> None:
    with away():
        worker, other = fleet.worker(), fleet.worker("w2")
        until(lambda: all(it.text.count("worker.waits") > 1 or not it.running for it in (worker, other)))
        other.send(signal.SIGTERM)
        assert other.wait() == 0

    runs_one(fleet)
    assert "Traceback" not in worker.text


def test_a_beat_writes_its_cap_when_postgres_is_there(fleet: Fleet, away: Away) -> None:
    fleet.environment.update(CAP)
    with away():
        beat = fleet.beat()
        until(lambda: beat.text.count("beat.trouble") > 2)

    until(lambda: cap(fleet) == 7)


class TestWithoutRedis:
    @pytest.fixture
    def redis_url(self, own_servers: Servers) -> str:
        return own_servers.redis_url

    def test_a_worker_with_a_cap_of_its_own_waits_for_redis(self, fleet: Fleet, own_servers: Servers) -> None:
        fleet.environment.update(CAP)
        own_servers.redis.kill()
        worker = fleet.worker()
        until(lambda: "gate.not_told" in worker.text or not worker.running)
        own_servers.redis.start()

        runs_one(fleet)
        assert cap(fleet) == 7
