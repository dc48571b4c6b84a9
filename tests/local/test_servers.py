"""The embedded servers: kept data, sure ends, paths of all kinds."""

import psycopg
import redis

from console.local.servers import Servers
from tests.waiting import until


def test_data_outlives_a_kill_of_both_servers(own_servers: Servers) -> None:
    with psycopg.connect(own_servers.database_url) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (7)")
    with redis.Redis.from_url(own_servers.redis_url) as client:
        client.set("kept", 7)

        # appendfsync everysec: the write is handed to the kernel before the answer, so a kill loses nothing.
        own_servers.redis.restart()
        own_servers.postgres.restart()

        assert client.get("kept") == b"7"
    with psycopg.connect(own_servers.database_url) as connection:
        assert connection.execute("select number from kept").fetchall() == [(7,)]


def test_every_test_has_an_empty_database_and_an_empty_redis(database_url: str, redis_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("create table only_here ()")
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("only", "here")
        until(lambda: client.get("only"))
