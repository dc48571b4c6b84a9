"""The gate: claim and release by the production scripts, beside a bare EVALSHA on the same server.

Beside redis-py's client as anybody has it, and beside our own, which keeps a connection for scripts: the first ratio
says what a caller pays, the second what the scripts do.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from time import perf_counter
from uuid import UUID, uuid4

from redis import Redis

from bench.figures import Figure, figure
from bench.stage import Stage, stage
from shared.answers import Reservation, Waiter
from shared.gate import Gate
from shared.redis_servers import client

ROUNDS = 5
PAIRS = 2000
WAITERS = 1000
LEASE_MS = 60_000
_fork = multiprocessing.get_context("fork")


def run() -> list[Figure]:
    """Calls per second of claim + release (two calls a pair), three limits, 1,000 waiters, one and eight clients."""
    with stage() as here:
        here.cap("lane:bench", 100)
        workspace = here.workspace("bench")
        here.cap(f"workspace:{workspace}", 100)
        return [it for clients in (1, 8) for it in _measure(here, workspace, clients)]


def _measure(here: Stage, workspace: UUID, clients: int) -> list[Figure]:
    gate = here.admission.gate
    here.cap("fleet", clients)
    gate.renew("bench", 100, 600_000, [])
    pairs = PAIRS // clients
    ours: list[float] = []
    bare: list[float] = []
    kept: list[float] = []
    for _ in range(ROUNDS):
        heads = gate.offer(_waiters(workspace, pairs * clients + WAITERS))
        bare.append(_rate(clients, lambda number: _bare(here, pairs, Redis.from_url)))
        ours.append(_rate(clients, lambda number, heads=heads: _ours(here, heads[number], pairs)))
        kept.append(_rate(clients, lambda number: _bare(here, pairs, client)))
        gate.redis.flushdb()
        here.admission.make_whole()
        gate.renew("bench", 100, 600_000, [])
    name = f"claim + release, {clients} client{'s' if clients > 1 else ''}"
    return [
        figure(name, "calls/s", ours, limit=bare, bar=("ratio", "higher", 0.7)),
        figure(f"{name}, beside our own client", "calls/s", ours, limit=kept, bar=("ratio", "higher", 0.4)),
    ]


def _waiters(workspace: UUID, count: int) -> list[Waiter]:
    return [Waiter(uuid4(), workspace, "bench", number, 5, False, "t") for number in range(count)]


def _rate(clients: int, work: Callable[[int], int]) -> float:
    """Calls per second of all clients together, each a process of its own that begins at the same moment."""
    barrier = _fork.Barrier(clients + 1)
    told = _fork.SimpleQueue()
    children = [
        _fork.Process(target=_client, args=(barrier, told, work, number), daemon=True) for number in range(clients)
    ]
    for child in children:
        child.start()
    barrier.wait()
    begun = perf_counter()
    calls = sum(told.get() for _ in children)
    took = perf_counter() - begun
    for child in children:
        child.join()
    return calls / took


def _client(
    barrier: Barrier, told: "multiprocessing.SimpleQueue[int]", work: Callable[[int], int], number: int
) -> None:
    barrier.wait()
    told.put(work(number))


def _ours(here: Stage, head: Reservation, pairs: int) -> int:
    known = here.admission.gate
    with client(here.where.redis_url) as redis:
        gate = Gate(redis, known.namespace, known.start_lease_ms, known.epoch)
        for _ in range(pairs):
            request = uuid4()
            if gate.claim(head.firing, request, "bench", LEASE_MS) != "LEASED":
                raise RuntimeError("the head of the line was not leased: this measures something else")
            [head] = gate.release(head.firing, request)
    return 2 * pairs


def _bare(here: Stage, pairs: int, connect: Callable[[str], Redis]) -> int:
    with connect(here.where.redis_url) as redis:
        sha = redis.script_load("return {ARGV[1]}")
        for _ in range(2 * pairs):
            redis.evalsha(sha, 1, "{slotbeat}", "1", "", str(uuid4()), "w", LEASE_MS)
    return 2 * pairs
