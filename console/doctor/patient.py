"""The system that is looked at: its servers, its processes, what they say of themselves."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from shared import clock
from shared import settings as knobs
from shared.celery_app import close_app, make_app
from shared.gate import Gate
from shared.redis_servers import Watched, client, watched
from shared.store import epoch, processes
from shared.store import settings as settings_table
from shared.store.connection import Database, Postgres
from shared.store.frozen import WatchedDatabase
from shared.store.processes import Process

_Seen = TypeVar("_Seen")
# Remote control answers within milliseconds, also on a busy worker; a stopped one never does.
ANSWERS_WITHIN_S = 2.0
# What is under way for longer than this is not under way.
LOOK_AGAIN_AFTER_S = 2.0
# How often a worker renews what it holds, and gives a sign.
RENEWALS_A_LEASE = 4
BEAT_SIGNS_WITHIN_S = 15.0
_REDIS_OPTIONS: dict[str, Any] = {"socket_timeout": 3, "socket_connect_timeout": 2}


def _login(found: Watched) -> str:
    """Its password is asked for, and stands nowhere."""
    login = found.login()
    user = f" --user {shlex.quote(login['username'])}" if "username" in login else ""
    return user + " --askpass" * ("password" in login)


@dataclass
class Patient:
    """Where the parts are, and the folder of a stack on this machine; a test brings a clock and a pause of its own."""

    where: knobs.Addresses
    environ: Mapping[str, str]
    folder: Path | None = None
    now: Callable[[], datetime] = clock.now
    pause: Callable[[float], object] = time.sleep
    looks_again_after_s: float = field(default=LOOK_AGAIN_AFTER_S)

    @cached_property
    def database(self) -> Database:
        return WatchedDatabase(self.where.database_url, application="slotbeat doctor")

    def log(self, name: str) -> str:
        """Where the log of a process is, as it is typed: that of a stack on this machine is in its folder."""
        return name if self.folder is None else f"{shlex.quote(str(self.folder / 'logs'))}/{name}"

    @cached_property
    def redis(self) -> Redis:
        return client(self.where.redis_url, **_REDIS_OPTIONS)

    def redis_cli(self, words: str) -> str:
        """How the server is asked by hand; redis-cli knows no address of Sentinels, which say who it is."""
        found = watched(self.where.redis_url)
        if found is None:
            return f'redis-cli -u "$REDIS_URL" {words}'
        try:
            host, port = self.redis.connection_pool.get_master_address()  # pyright: ignore[reportAttributeAccessIssue]
        except RedisError:
            host, port = found.hosts[0]
            secret = " --askpass" * (found.their_password is not None)
            return f"redis-cli -h {host} -p {port}{secret} sentinel get-master-addr-by-name {found.primary}"
        return f"redis-cli -h {host} -p {port} -n {found.database}{_login(found)} {words}"

    @cached_property
    def app(self) -> Celery:
        return make_app("slotbeat.doctor", self.where)

    @property
    def connection(self) -> Postgres:
        return self.database.connection()

    @cached_property
    def gate(self) -> Gate:
        """The gate under the epoch that Postgres has; asking it changes nothing."""
        return Gate(self.redis, self.where.namespace, 0, epoch.current(self.connection).number)

    @cached_property
    def table(self) -> dict[str, str]:
        return settings_table.load(self.connection)

    @cached_property
    def settings(self) -> knobs.Settings:
        return knobs.read(self.environ, self.table)

    @cached_property
    def processes(self) -> list[Process]:
        return processes.listing(self.connection)

    @property
    def workers(self) -> list[Process]:
        """Those that gave a sign within a lease."""
        return [it for it in self.processes if it.kind == "worker" and it.age_s < self.settings.lease_seconds]

    @property
    def beats(self) -> list[Process]:
        return [it for it in self.processes if it.kind == "beat" and it.age_s < BEAT_SIGNS_WITHIN_S]

    @cached_property
    def queues(self) -> dict[str, set[str]]:
        """The queues that each worker serves, by node, of those that answer at the broker."""
        return self._ask_for_queues()

    def deaf(self) -> dict[str, bool]:
        """Workers that never answer at the broker while we wait for their next sign, and whether they gave one.

        Whoever was ended a moment ago gives none; whoever lost its broker a moment ago answers again soon.
        """
        last = {it.node: it.seen_at for it in self.workers if it.node not in self.queues}
        left_s = self.settings.lease_seconds / RENEWALS_A_LEASE + self.looks_again_after_s
        while last and left_s > 0:
            self.pause(self.looks_again_after_s)
            left_s -= self.looks_again_after_s + ANSWERS_WITHIN_S
            answering = self._ask_for_queues()
            # Whoever comes back while we wait serves its queues too.
            self.queues.update(answering)
            last = {node: seen_at for node, seen_at in last.items() if node not in answering}
        now = {it.node: it.seen_at for it in processes.listing(self.connection)}
        return {node: now.get(node, seen_at) > seen_at for node, seen_at in last.items()}

    def strangers(self) -> set[str]:
        """Workers that answer at the broker and are in no row here, though there was time to write one."""
        return self.lasting(self._unknown)

    def _unknown(self) -> set[str]:
        answering = self._ask_for_queues(whoever=True)
        return answering.keys() - {it.node for it in processes.listing(self.connection)}

    def _ask_for_queues(self, *, whoever: bool = False) -> dict[str, set[str]]:
        """Of as many as are known, as soon as so many have answered; or of whoever answers in time."""
        known = {it.node for it in self.workers}
        found = self._answers(None if whoever else len(known) or None)
        # Somebody else's answer came in place of one of ours.
        return found if whoever or found.keys() <= known else self._answers(None)

    def _answers(self, most: int | None) -> dict[str, set[str]]:
        told = self.app.control.broadcast("active_queues", reply=True, timeout=ANSWERS_WITHIN_S, limit=most)
        return {
            node: {it["name"] for it in found or []}
            for answer in told or []
            for node, found in answer.items()
            if isinstance(found, list)
        }

    def lasting(self, look: Callable[[], set[_Seen]]) -> set[_Seen]:
        """What is seen twice: once may be something under way."""
        first = look()
        if not first:
            return first
        self.pause(self.looks_again_after_s)
        return first & look()

    def close(self) -> None:
        """Gives every connection back."""
        self.database.close()
        self.redis.close()
        close_app(self.app)
