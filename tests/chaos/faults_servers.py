"""Faults of Postgres, Redis and the wires to them."""

import os
import shutil
import signal
from collections.abc import Callable
from functools import wraps
from random import Random
from typing import Any

import redis

from console.local.server import Server
from shared.clock import boottime
from shared.keys import epoch_key, gate_root
from shared.settings import DEFAULT_NAMESPACE
from tests.chaos.faults import fault
from tests.chaos.faults_processes import LONG_S, SHORT_S, limit_files
from tests.chaos.members import signal_to
from tests.chaos.world import World, wait_until
from tests.proc import descendants

STARTS_WITHIN_S = 30


def broker(world: World) -> Any:
    return redis.Redis.from_url(world.servers.redis_url, socket_timeout=3)


def all_of(server: Server) -> list[int]:
    return [server.pid, *(it.pid for it in descendants(server.pid))]


def in_turn(deed: Callable[[World, Random], None]) -> Callable[[World, Random], None]:
    """For what ends a server and starts it: the end of another fault may be about to revive it."""

    @wraps(deed)
    def done(world: World, dice: Random) -> None:
        world.in_turn(lambda: deed(world, dice))

    return done


@fault
@in_turn
def redis_killed(world: World, dice: Random) -> None:
    world.servers.redis.restart()


@fault
@in_turn
def redis_killed_with_its_data(world: World, dice: Random) -> None:
    world.servers.redis.kill()
    shutil.rmtree(world.servers.redis.kind.data)
    world.servers.redis.start()


@fault
@in_turn
def redis_away(world: World, dice: Random) -> None:
    world.servers.redis.kill()
    wait_until(lambda: False, dice.uniform(1, 3))
    world.servers.redis.start()


@fault
def redis_flushed(world: World, dice: Random) -> None:
    with broker(world) as client:
        client.flushall()


@fault
def redis_flushed_again_and_again(world: World, dice: Random) -> None:
    """At any step of claims, releases and rebuilds under way."""
    with broker(world) as client:
        for _ in range(12):
            client.flushall()
            wait_until(lambda: False, dice.uniform(0.0, 0.12), every_s=0.01)


@fault
def redis_stopped_briefly(world: World, dice: Random) -> float:
    return world.freeze(all_of(world.servers.redis), dice.uniform(*SHORT_S))


@fault
def redis_stopped(world: World, dice: Random) -> float:
    return world.freeze(all_of(world.servers.redis), dice.uniform(*LONG_S))


@fault
def redis_out_of_memory(world: World, dice: Random) -> float:
    with broker(world) as client:
        client.config_set("maxmemory", 1)

    def enough() -> None:
        with broker(world) as again:
            again.config_set("maxmemory", 0)

    return world.later(dice.uniform(1, 2), enough)


@fault
def redis_disk_full(world: World, dice: Random) -> float:
    """Its log of commands cannot grow: it refuses to write, or dies of it."""
    return without_room(world, world.servers.redis, dice)


@fault
@in_turn
def failover_to_a_stale_replica(world: World, dice: Random) -> None:
    """What answers now has seen nothing of the last seconds, and says that it is Redis."""
    server = world.servers.redis
    data = server.kind.data
    behind = data.with_name("replica")
    shutil.copytree(data, behind, copy_function=shutil.copy2)
    wait_until(lambda: False, dice.uniform(0.5, 1.5))
    server.kill()
    owner = data.stat()
    shutil.rmtree(data)
    behind.rename(data)
    for it in [data, *data.rglob("*")]:
        os.chown(it, owner.st_uid, owner.st_gid)
    server.start()


@fault
def redis_cut(world: World, dice: Random) -> None:
    world.wires["redis"].cut()


@fault
def redis_silent(world: World, dice: Random) -> float:
    seconds = dice.uniform(*LONG_S)
    world.wires["redis"].silence(seconds)
    return boottime() + seconds


@fault
def epoch_lost(world: World, dice: Random) -> None:
    with broker(world) as client:
        client.delete(epoch_key(DEFAULT_NAMESPACE))


@fault
def epoch_raised(world: World, dice: Random) -> None:
    """A replica took over that had seen more than Postgres."""
    with broker(world) as client:
        client.incrby(epoch_key(DEFAULT_NAMESPACE), dice.randint(1, 5))


@fault
def epoch_lowered(world: World, dice: Random) -> None:
    with broker(world) as client:
        client.set(epoch_key(DEFAULT_NAMESPACE), 1)


@fault
def gate_believes_in_other_caps(world: World, dice: Random) -> None:
    """The gate says yes to everybody; the rows must say no."""
    with broker(world) as client:
        for key in client.scan_iter(match=f"{gate_root(DEFAULT_NAMESPACE)}:*:caps"):
            client.hset(key, mapping=dict.fromkeys(client.hkeys(key), 100))


@fault
def gate_forgot_its_usage(world: World, dice: Random) -> None:
    _forget(world, "used:*", "holders")


@fault
def gate_forgot_its_line(world: World, dice: Random) -> None:
    """As where Redis evicts."""
    _forget(world, "queue:*", dice.choice(["lanes:*", "ready", "queues", "resting", "parked:*", "drained:*"]))


@fault
def gate_forgot_firings(world: World, dice: Random) -> None:
    """All that it knows of them, which is one key, or of some: who holds or waits is still counted."""
    every = dice.randint(1, 4)
    with broker(world) as client:
        for key in client.scan_iter(match=f"{gate_root(DEFAULT_NAMESPACE)}:*:firings"):
            for firing in client.hkeys(key)[::every]:
                client.hdel(key, firing)


def _forget(world: World, *parts: str) -> None:
    with broker(world) as client:
        for part in parts:
            for key in client.scan_iter(match=f"{gate_root(DEFAULT_NAMESPACE)}:*:{part}"):
                client.delete(key)


@fault
@in_turn
def postgres_killed(world: World, dice: Random) -> None:
    world.servers.postgres.restart()


@fault
@in_turn
def postgres_stopped_at_once(world: World, dice: Random) -> None:
    """Immediate shutdown: no word to anybody, recovery at the next start."""
    server = world.servers.postgres
    server.signal(signal.SIGQUIT)
    wait_until(lambda: not server.running, STARTS_WITHIN_S)
    wait_until(lambda: False, dice.uniform(0, 1.5))
    server.start()


@fault
@in_turn
def postgres_away(world: World, dice: Random) -> None:
    """For longer than a lease: guards end what runs."""
    world.servers.postgres.kill()
    wait_until(lambda: False, dice.uniform(2, 3))
    world.servers.postgres.start()


@fault
def postgres_disk_full(world: World, dice: Random) -> float:
    """No file may grow, the log of transactions among them: it panics, and cannot recover until there is room."""
    return without_room(world, world.servers.postgres, dice)


def without_room(world: World, server: Server, dice: Random) -> float:
    limit_files(server.pid, "1")

    def room_again() -> None:
        if server.running:
            limit_files(server.pid, "unlimited")
        world.revive(server)

    return world.later(dice.uniform(1, 2.5), room_again)


@fault
def postgres_backend_killed(world: World, dice: Random) -> None:
    """Postgres takes it for a corrupted memory: every session ends, and it recovers from its log."""
    found = world.rows("select pid from pg_stat_activity where application_name like 'slotbeat%%'")
    for (pid,) in dice.sample(found, min(1, len(found))):
        signal_to(pid, signal.SIGKILL)


@fault
def postgres_frozen_briefly(world: World, dice: Random) -> float:
    return world.freeze(all_of(world.servers.postgres), dice.uniform(*SHORT_S))


@fault
def postgres_frozen(world: World, dice: Random) -> float:
    return world.freeze(all_of(world.servers.postgres), dice.uniform(*LONG_S))


@fault
def backends_terminated(world: World, dice: Random) -> None:
    found = world.rows("select pid from pg_stat_activity where application_name like 'slotbeat%%'")
    for (pid,) in dice.sample(found, len(found) // 2):
        world.rows("select pg_terminate_backend(%s)", pid)


@fault
def backend_frozen(world: World, dice: Random) -> float:
    """One session, maybe in the middle of a claim, with the locks that it holds."""
    found = world.rows("select pid from pg_stat_activity where application_name like 'slotbeat%%'")
    return world.freeze([dice.choice(found)[0]] if found else [], dice.uniform(*LONG_S))


@fault
def postgres_cut(world: World, dice: Random) -> None:
    world.wires["postgres"].cut()


@fault
def postgres_silent(world: World, dice: Random) -> float:
    seconds = dice.uniform(*LONG_S)
    world.wires["postgres"].silence(seconds)
    return boottime() + seconds


@fault
def answers_to_commit_cut(world: World, dice: Random) -> None:
    """Each was applied, and whoever asked does not know."""
    world.wires["postgres"].cut_at(b"C\0\0\0\x0bCOMMIT\0", 5)


@fault
def answers_to_claims_cut(world: World, dice: Random) -> None:
    world.wires["postgres"].cut_at(b"\0\0\0\x07claimed", 3)


@fault
def answers_of_the_gate_cut(world: World, dice: Random) -> None:
    world.wires["redis"].cut_at(b"LEASED", 3)
