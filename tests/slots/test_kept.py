"""The connection that scripts keep: what breaks it, or comes between, costs nobody an answer, nor mixes up two."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry

from console.local.servers import Servers
from shared.redis_servers import client

CALLS = 300
ECHO = "return ARGV[1]"
NAME = "kept"


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with client(redis_url, socket_timeout=5, client_name=NAME) as made:
        yield made


@pytest.fixture
def echo(redis: Redis) -> Callable[[str], str]:
    """Says a word to the server by a script over one kept connection; what it answers."""
    sha = redis.script_load(ECHO)
    return lambda word: redis.evalsha(sha, 0, word).decode()


def echoed(echo: Callable[[str], str], name: str) -> list[str]:
    """The answers that were somebody else's."""
    said = [f"{name}-{number}" for number in range(CALLS)]
    return [told for word in said if (told := echo(word)) != word]


def connected(redis: Redis) -> set[int]:
    """The connections of this test, but for the one that asks."""
    return {int(it["id"]) for it in redis.client_list() if it["name"] == NAME} - {redis.client_id()}


def test_all_calls_go_over_one_connection(redis: Redis, echo: Callable[[str], str]) -> None:
    echo("one")
    [kept] = connected(redis)

    assert echoed(echo, "more") == []
    assert connected(redis) == {kept}


def test_a_connection_that_the_server_closed_is_replaced(redis: Redis, echo: Callable[[str], str]) -> None:
    echo("one")
    [kept] = connected(redis)
    redis.client_kill_filter(_id=str(kept))

    assert echo("two") == "two"
    assert echo("three") == "three"
    [other] = connected(redis)
    assert other != kept
    assert sum(count for count, _ in redis.connection_pool.get_connection_count()) == 2


def test_an_error_of_the_script_is_said_and_the_connection_stays(redis: Redis) -> None:
    good, bad = redis.script_load(ECHO), redis.script_load("return error('no')")
    redis.evalsha(good, 0, "one")
    before = connected(redis)

    with pytest.raises(ResponseError, match="no"):
        redis.evalsha(bad, 0)

    assert redis.evalsha(good, 0, "two") == b"two"
    assert connected(redis) == before


def test_a_call_that_is_interrupted_leaves_its_answer_to_nobody(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = redis.script_load(ECHO)
    redis.evalsha(sha, 0, "one")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        [connection] = redis.connection_pool._in_use_connections  # pyright: ignore[reportPrivateUsage]
        patched.setattr(connection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            redis.evalsha(sha, 0, "two")

    assert redis.evalsha(sha, 0, "three") == b"three"


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
def test_threads_are_answered_what_each_has_asked(redis: Redis, echo: Callable[[str], str], broken: bool) -> None:
    if broken:
        echo("one")
        redis.client_kill_filter(_id=str(*connected(redis)))
        echo("two")
    wrong: list[str] = []
    threads = [
        threading.Thread(target=lambda name=name: wrong.extend(echoed(echo, name))) for name in ("one", "two", "three")
    ]
    for it in threads:
        it.start()
    for it in threads:
        it.join()

    assert not wrong


def test_a_process_that_forks_shares_no_connection(echo: Callable[[str], str]) -> None:
    echo("before")
    child = os.fork()
    if child == 0:
        try:
            os._exit(len(echoed(echo, "child")) > 0)
        finally:
            os._exit(2)

    wrong = echoed(echo, "parent")

    assert os.waitpid(child, 0)[1] == 0
    assert not wrong


def test_a_server_that_has_become_a_replica_is_left(own_servers: Servers) -> None:
    with client(own_servers.redis_url, client_name=NAME, retry=Retry(NoBackoff(), 1)) as redis:
        sha = redis.script_load("return redis.call('SET', 'a', 'b')")
        redis.evalsha(sha, 0)
        before = connected(redis)
        redis.replicaof("127.0.0.1", own_servers.redis.port + 1)
        with pytest.raises(RedisConnectionError, match="no primary"):
            redis.evalsha(sha, 0)
        assert before.isdisjoint(connected(redis))
        redis.replicaof("NO", "ONE")

        assert redis.evalsha(sha, 0) == b"OK"
