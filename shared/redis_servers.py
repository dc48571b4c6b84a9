"""Which Redis an address means: one server, or whichever the Sentinels call the primary."""

import os
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

_SCHEME = "sentinel://"
_PORT = 26379


@dataclass(frozen=True)
class Watched:
    """A primary that Sentinels watch, as `sentinel://user:password@s1:26379,s2:26379/0?master=NAME` says it."""

    hosts: list[tuple[str, int]]
    primary: str
    database: int
    userinfo: str = field(repr=False)
    # Sentinels have a password of their own, or none: &sentinel_password=...
    their_password: str | None = field(repr=False)

    def login(self) -> dict[str, str]:
        """User and password of the servers themselves."""
        user, _, password = (unquote(it) for it in self.userinfo.partition(":"))
        return {name: it for name, it in (("username", user), ("password", password)) if it}

    def asking(self, **options: Any) -> dict[str, Any]:
        """How the Sentinels are asked. One that does not answer is not asked again: the next one is."""
        timeouts = {name: value for name, value in options.items() if name.startswith("socket_")}
        return {**timeouts, "password": self.their_password, "retry": Retry(NoBackoff(), 0)}

    def for_kombu(self) -> str:
        """One URL a Sentinel, as kombu takes them."""
        login = f"{self.userinfo}@" if self.userinfo else ""
        return ";".join(f"{_SCHEME}{login}{host}:{port}/{self.database}" for host, port in self.hosts)


def watched(url: str) -> Watched | None:
    """What a `sentinel://` address says; None for every other."""
    if not url.startswith(_SCHEME):
        return None
    parts = urlsplit(url)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    named = [it.rpartition(":") if ":" in it else (it, "", "") for it in hosts.split(",")]
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Watched(
        [(host, int(port or _PORT)) for host, _, port in named],
        given["master"],
        int(parts.path.strip("/") or 0),
        userinfo,
        given.get("sentinel_password"),
    )


def client(url: str, **options: Any) -> Redis:
    """A client of that server; of Sentinels' primary also after another one has become it."""
    found = watched(url)
    if found is None:
        return _Client.from_url(url, **options)
    manager = Sentinel(found.hosts, sentinel_kwargs=found.asking(**options))
    about: dict[str, Any] = {"db": found.database, **found.login(), **options}
    return manager.master_for(found.primary, _Client, _Pool, **about)


class _Client(Redis):
    """A client that keeps a connection for scripts, from call to call: redis-py's own round of taking, measuring and
    giving back a connection costs as much as many a script.

    Where another thread is at it, or it breaks, the script goes the usual way, and may go twice: ours may be repeated.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._kept: Any = None
        self._kept_by = 0
        self._at_it = threading.Lock()

    def evalsha(self, sha: str, numkeys: int, *words: Any) -> Any:
        """What the script answers."""
        if not self._at_it.acquire(blocking=False):
            return super().evalsha(sha, numkeys, *words)
        try:
            try:
                return self._asked(self._at_hand(), "EVALSHA", sha, numkeys, *words)
            except (RedisConnectionError, ReadOnlyError):
                return super().evalsha(sha, numkeys, *words)
        finally:
            self._at_it.release()

    def _at_hand(self) -> Any:
        """The connection that is kept: another one after a fork, and where the Sentinels have named another primary."""
        known = self._kept
        if known is None or self._kept_by != os.getpid():  # a process that forked shares no connection
            self._kept, self._kept_by = self.connection_pool.get_connection(), os.getpid()
        elif not self.connection_pool.owns_connection(known):
            self._give_up(known)
            self._kept = self.connection_pool.get_connection()
        return self._kept

    def _give_up(self, connection: Any) -> None:
        self._kept = None
        connection.disconnect()
        self.connection_pool.release(connection)

    def _asked(self, connection: Any, *words: Any) -> Any:
        """The answer; a connection that may have another one to come is given up."""
        whole = False
        try:
            connection.send_command(*words)
            answer = connection.read_response()
            whole = True
        except ResponseError as error:
            whole = not isinstance(error, ReadOnlyError)
            raise
        finally:
            if not whole:
                self._give_up(connection)
        return answer

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Leaves a server that has become a replica, as a client of Sentinels does: its name may lead to another."""
        try:
            return super().parse_response(connection, command_name, **options)
        except ReadOnlyError as error:
            connection.disconnect()
            raise RedisConnectionError(f"it is no primary: {error}") from error


class _Pool(SentinelConnectionPool):
    """Hangs up on the Sentinels too, which a client of the primary otherwise leaves to the garbage collector."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        self.sentinel_manager.close()
