"""Servers that are somebody's, not ours: looked at before anything is started that needs them."""

from collections.abc import Callable, Mapping

import psycopg
import redis

from console.local.server import ServerFailed
from shared.redis_servers import client
from shared.settings import check_address
from shared.store.connection import connect

_PATIENCE_S = 5


def check_theirs(environ: Mapping[str, str]) -> None:
    """ServerFailed, with the variable and the remedy, where a server that the environment names is not there."""
    looks: dict[str, Callable[[str], None]] = {"DATABASE_URL": _postgres, "REDIS_URL": _redis}
    for name, look in looks.items():
        url = environ.get(name)
        if not url:
            continue
        try:
            check_address(name, url)
            look(url)
        except (psycopg.Error, redis.RedisError, RuntimeError, ValueError) as error:
            told = next(iter(str(error).strip().splitlines()), "").rstrip(".?")
            raise ServerFailed(f"{told}. Correct {name}, or unset it: then a server of our own is started") from error


def _postgres(url: str) -> None:
    connect(url).close()


def _redis(url: str) -> None:
    with client(url, socket_connect_timeout=_PATIENCE_S, socket_timeout=_PATIENCE_S) as theirs:
        theirs.ping()
