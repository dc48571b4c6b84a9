"""A planned failover behind one name: Redis becomes a replica of another, and keeps the connections that it has."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from console.local.servers import Servers
from shared.store import activity
from tests.chaos.proxy import Proxy
from tests.process.conftest import Fleet
from tests.store.rows import by_hand
from tests.waiting import until


@pytest.fixture
def promoted(tmp_path: Path) -> Iterator[Servers]:
    """Another Redis."""
    other = Servers(tmp_path / "other", durable=False)
    other.redis.start()
    yield other
    other.stop()


@pytest.fixture
def name(own_servers: Servers) -> Iterator[Proxy]:
    made = Proxy(own_servers.redis.port)
    yield made
    made.close()


@pytest.fixture
def redis_url(own_servers: Servers, name: Proxy) -> str:
    return own_servers.redis_url.replace(str(own_servers.redis.port), str(name.port))


def test_who_was_connected_to_a_redis_that_is_demoted_finds_the_new_one(
    fleet: Fleet, own_servers: Servers, promoted: Servers, name: Proxy
) -> None:
    worker, beat = fleet.worker(), fleet.beat()
    workspace = fleet.workspace()
    fleet.admission.run_now(by_hand(workspace), activity.Deed("run", "test", {}), queue=True)
    fleet.ended()
    until(lambda: bool(fleet.rows("select 1 from cadence where name = 'slotbeat.reconcile'")))
    password = urlsplit(own_servers.redis_url).password or ""
    with redis.Redis.from_url(promoted.redis_url) as client:
        client.config_set("requirepass", password)
    name.target_port = promoted.redis.port
    with redis.Redis.from_url(own_servers.redis_url) as client:
        client.config_set("masterauth", password)
        client.replicaof("127.0.0.1", promoted.redis.port)

    fleet.schedule(workspace, "s", ["true"])
    assert [it[1] for it in fleet.ended(2)] == ["completed", "completed"]
    fleet.admission.fill()
    assert worker.running
    assert beat.running
