"""A Redis that Sentinel watches: its primary dies, and a replica takes over with a gate that is rebuilt."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import RedisError

from console.doctor import servers
from console.doctor.examine import examine
from console.doctor.patient import Patient
from console.local.ports import LOOPBACK, free_port
from console.local.server import Server
from console.local.valkey import Valkey, binary
from shared.redis_servers import Watched, client, watched
from shared.settings import BadAddress, addresses
from tests.operations.witnesses import Witnesses
from tests.process.conftest import Fleet
from tests.running import Start
from tests.waiting import until


@pytest.fixture
def servers_watched(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """A primary and its replica."""
    folder = tmp_path / "watched"
    folder.mkdir(mode=0o711)
    primary, replica = (Server(Valkey(folder / it, durable=False), folder / f"{it}.log") for it in ("one", "two"))
    for it in (primary, replica):
        it.start()
        with Redis.from_url(it.url) as redis:
            redis.config_set("masterauth", str(redis.connection_pool.connection_kwargs["password"]))
    with Redis.from_url(replica.url) as redis:
        redis.replicaof(LOOPBACK, str(primary.port))
        until(lambda: redis.info("replication")["master_link_status"] == "up")
    yield primary, replica
    for it in (primary, replica):
        it.stop()


@pytest.fixture
def redis_url(servers_watched: tuple[Server, Server], start: Start, tmp_path: Path) -> str:
    """The fleet's Redis, in place of the one that is shared: whichever the Sentinel calls the primary."""
    primary, port, config = servers_watched[0], free_port(), tmp_path / "sentinel.conf"
    password = urlsplit(primary.url).password
    config.write_text(
        f"bind {LOOPBACK}\nport {port}\nrequirepass of-the-sentinel\n"
        f"sentinel monitor house {LOOPBACK} {primary.port} 1\nsentinel auth-pass house {password}\n"
        "sentinel down-after-milliseconds house 400\nsentinel failover-timeout house 3000\n"
    )
    start(binary(), config, "--sentinel")
    # Nobody listens at the first: the second is asked.
    hosts = f"{LOOPBACK}:{free_port()},{LOOPBACK}:{port}"
    url = f"sentinel://:{password}@{hosts}/3?master=house&sentinel_password=of-the-sentinel"
    until(lambda: run_id(url))
    return url


def run_id(url: str) -> str:
    """Of the primary that the Sentinel names; empty while there is none."""
    with client(url, socket_timeout=2, socket_connect_timeout=2) as redis:
        try:
            return redis.info("server")["run_id"] if redis.set("writable", 1) else ""
        except RedisError:
            return ""


# kombu drops its connection to a server that died, and leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(180)
def test_a_replica_that_takes_over_is_found_and_its_gate_rebuilt_while_payloads_run_on(
    fleet: Fleet, servers_watched: tuple[Server, Server], redis_url: str, tmp_path: Path
) -> None:
    told = Witnesses(tmp_path / "told")
    # Whoever looks for the primary may wait for an answer longer than a lease of the tests lasts.
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "6"
    fleet.worker()
    fleet.beat()
    told.wait(fleet, 3)
    until(lambda: len(told.tokens()) == 2)
    before = run_id(redis_url)

    servers_watched[0].kill()

    until(lambda: run_id(redis_url) not in ("", before))
    until(lambda: fleet.rows("select redis_run_id from epoch") == [(run_id(redis_url),)], 90)
    # What is made now goes through the new one: line, reservation and message.
    fleet.schedule(fleet.workspace("later"), "later", ["true"])
    told.let_go.touch()
    assert {it[1] for it in fleet.ended(4, 90)} == {"completed"}
    assert fleet.rows("select count(*) from attempts") == [(4,)]
    assert told.most_at_once() == 2


def test_a_script_goes_to_the_primary_that_is_named_now_though_the_former_one_answers(
    servers_watched: tuple[Server, Server], redis_url: str
) -> None:
    sentinels = watched(redis_url)
    assert sentinels is not None
    named = servers_watched[1]
    with client(redis_url) as redis, Redis.from_url(named.url.rpartition("/")[0] + "/3") as other:
        redis.set("who", "former")
        sha = str(redis.script_load("return redis.call('get', 'who')"))
        assert redis.evalsha(sha, 0) == b"former"

        # What Sentinels do to a former primary that they cannot reach: nothing.
        with Redis(*sentinels.hosts[1], password=sentinels.their_password) as sentinel:
            sentinel.sentinel_remove("house")
            other.replicaof("no", "one")
            other.set("who", "named")
            other.script_load("return redis.call('get', 'who')")
            sentinel.sentinel_monitor("house", LOOPBACK, named.port, 1)
            sentinel.sentinel_set("house", "auth-pass", urlsplit(named.url).password)
        redis.connection_pool.disconnect(inuse_connections=False)
        assert redis.get("who") == b"named"

        assert [redis.evalsha(sha, 0) for _ in range(2)] == [b"named"] * 2


def test_the_doctors_remedies_name_the_primary_and_no_password(
    servers_watched: tuple[Server, Server], database_url: str, redis_url: str
) -> None:
    """redis-cli does not take an address of Sentinels."""
    here = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    with client(redis_url) as redis, closing(Patient(addresses(here), here)) as patient:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        [it] = servers.redis_memory(patient)
    nobody = here | {"REDIS_URL": f"sentinel://:secret@{LOOPBACK}:1/3?master=house&sentinel_password=of-the-sentinel"}
    with closing(Patient(addresses(nobody), nobody)) as patient:
        away = next(it for it in examine(patient) if it.check == "redis")

    assert it.remedy == (
        f"redis-cli -h {LOOPBACK} -p {servers_watched[0].port} -n 3 --askpass config set maxmemory-policy noeviction",
    )
    assert away.remedy[0] == f"redis-cli -h {LOOPBACK} -p 1 --askpass sentinel get-master-addr-by-name house"


def test_an_address_of_sentinels_names_hosts_and_primary() -> None:
    found = watched("sentinel://u:p%40ss@one:1,two/4?master=house&sentinel_password=x")

    assert found == Watched([("one", 1), ("two", 26379)], "house", 4, "u:p%40ss", "x")
    assert found.login() == {"username": "u", "password": "p@ss"}
    assert found.for_kombu() == "sentinel://u:p%40ss@one:1/4;sentinel://u:p%40ss@two:26379/4"
    assert watched("redis://one:1/4") is None


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_an_address_of_sentinels_without_the_primarys_name_is_refused_with_the_remedy(name: str) -> None:
    given = {"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://h", name: "sentinel://:secret@one:26379/0"}

    with pytest.raises(BadAddress, match=rf"{name} .*\?master=NAME") as told:
        addresses(given)
    assert "secret" not in str(told.value)
