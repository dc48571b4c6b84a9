"""The state of the abstract world: rows, gate, what workers and guards know, payloads that execute.

Two firings under one limit, two workers with a process each. A number stands for a token (`n`), a request
(`r`, 0: none) or an epoch; only whether two of them are equal, and which token is the later one, matters.
"""

from typing import NamedTuple

QUEUED, RUNNING, COMPLETED, FAILED = "queued", "running", "completed", "failed"
TERMINAL = (COMPLETED, FAILED)
# What the gate knows of a firing; from LEASED on: leased by request `seat - LEASED`, which is never 0.
ABSENT, WAITING, RESERVED, LEASED = 0, 1, 2, 2
NO_SLOT, A_ROW, FORCED_ROW = 0, 1, 2
IDLE = "idle"
NOTHING_TO_TELL = -1


class Rules(NamedTuple):
    """The protocol, and what may be left out of it to see why it is there."""

    token_checked: bool = True
    guard_has_deadline: bool = True
    reaper_has_grace: bool = True
    slot_rows: bool = True
    guard_checks_before_start: bool = True
    caps_reconciled: bool = True
    lost_claims_put_back: bool = True
    forced: tuple[bool, bool] = (False, False)
    caps: tuple[int, ...] = ()  # what an operator may set the cap to
    max_attempts: int = 2
    deadline_age: int = 1  # 2: a lease has an earlier part, in which it can be renewed
    faults: bool = True  # False: the steps that are a fault need not be told, for nobody will look at them


class Row(NamedTuple):
    """A firing with its live attempt: `r`, `age` and `exit` are the attempt's."""

    status: str = QUEUED
    n: int = 0
    charged: int = 0
    slot: int = NO_SLOT
    r: int = 0
    age: int = 0
    exit: str = ""


class Rows(NamedTuple):
    """What Postgres holds. `same_redis`: the run id that it knows is that of the Redis that answers."""

    epoch: int
    same_redis: bool
    cap: int
    surplus: int
    free: int
    firings: tuple[Row, ...]


class Gate(NamedTuple):
    """What Redis holds; epoch 0: nothing."""

    epoch: int
    cap: int = 0
    blocked: bool = False
    seats: tuple[int, ...] = (ABSENT, ABSENT)


class Worker(NamedTuple):
    """What a worker's process knows. `age` counts from the moment before it asked for the claim.

    While it asks Postgres (`leased`), `n` is what Postgres remembers of its request, not what it knows itself. In the
    midst of a settle that the next claim goes along with (`ahead`), `taking` is the request by which the gate has
    leased the other firing to it (0: nobody waited), and `age` is that of this request.
    """

    phase: str = IDLE
    f: int = -1
    r: int = 0
    n: int = 0
    age: int = 0
    out: str = ""
    epoch: int = 1
    taking: int = 0


class Payload(NamedTuple):
    """A payload that executes under its guard; `age` counts to the guard's deadline, `answer` is that of a
    renewal which the guard has not heard yet (-1: none)."""

    f: int
    n: int
    r: int
    age: int = 0
    answer: int = -1


class World(NamedTuple):
    """Everything; `telling` is a cap that stands in Postgres and is not told to the gate yet."""

    rows: Rows
    gate: Gate
    workers: tuple[Worker, ...]
    payloads: tuple[Payload, ...] = ()
    telling: int = NOTHING_TO_TELL


Label = tuple[str | int, ...]


def first(cap: int = 1) -> World:
    """Both firings made a moment ago: rows that nobody has offered yet."""
    rows = Rows(epoch=1, same_redis=True, cap=cap, surplus=0, free=cap, firings=(Row(), Row()))
    return World(rows, Gate(1, cap), (Worker(), Worker()))


def with_worker(world: World, i: int, worker: Worker) -> World:
    """The same, but for what one worker knows."""
    workers = (worker, world.workers[1]) if i == 0 else (world.workers[0], worker)
    return World(world.rows, world.gate, workers, world.payloads, world.telling)


def with_gate(world: World, gate: Gate) -> World:
    """The same, but for what Redis holds."""
    return World(world.rows, gate, world.workers, world.payloads, world.telling)


def with_rows(world: World, rows: Rows) -> World:
    """The same, but for what Postgres holds."""
    return World(rows, world.gate, world.workers, world.payloads, world.telling)


def with_row(rows: Rows, f: int, row: Row) -> Rows:
    """The same, but for one firing."""
    firings = (row, rows.firings[1]) if f == 0 else (rows.firings[0], row)
    return Rows(rows.epoch, rows.same_redis, rows.cap, rows.surplus, rows.free, firings)


def idle(worker: Worker) -> Worker:
    """A worker that has forgotten all but the epoch it believes."""
    return Worker(epoch=worker.epoch)


def is_live(world: World, f: int, n: int) -> bool:
    """Whether this token is that of the firing's live attempt."""
    row = world.rows.firings[f]
    return row.status == RUNNING and row.n == n


def owner(world: World, payload: Payload) -> int | None:
    """The worker that holds the lifeline of a payload's guard; None when it is gone."""
    for i, it in enumerate(world.workers):
        if it.phase == "running" and it.f == payload.f and it.n == payload.n:
            return i
    return None


def _requests_renamed(world: World) -> World:
    """Requests are names: those of each firing are numbered as they are met, first in its row, then in the gate."""
    one, two = world.workers if world.workers[0] <= world.workers[1] else world.workers[::-1]
    for f in (0, 1):
        row, seat = world.rows.firings[f], world.gate.seats[f]
        met = [row.r, seat - LEASED if seat > LEASED else 0]
        met += [it.r for it in world.payloads if it.f == f]
        met += [one.r if one.f == f else one.taking, two.r if two.f == f else two.taking]
        last = 0
        for r in met:
            if r > last + 1:
                world = _renamed(world, f, met)
                break
            last = max(last, r)
    return world


def _renamed(world: World, f: int, met: list[int]) -> World:
    rows, gate, workers, payloads, telling = world
    names = {0: 0}
    for r in met:
        names.setdefault(r, len(names))
    row = rows.firings[f]
    if names[row.r] != row.r:
        rows = with_row(rows, f, row._replace(r=names[row.r]))
    seat = gate.seats[f]
    if seat > LEASED:
        renamed = LEASED + names[seat - LEASED]
        seats = (renamed, gate.seats[1]) if f == 0 else (gate.seats[0], renamed)
        gate = Gate(gate.epoch, gate.cap, gate.blocked, seats)
    workers = tuple([_worker_renamed(it, f, names) for it in workers])
    payloads = tuple(sorted([it._replace(r=names[it.r]) if it.f == f else it for it in payloads]))
    return World(rows, gate, workers, payloads, telling)


def _worker_renamed(it: Worker, f: int, names: dict[int, int]) -> Worker:
    if it.f == f:
        return it if names[it.r] == it.r else it._replace(r=names[it.r])
    return it if names[it.taking] == it.taking else it._replace(taking=names[it.taking])


def key(world: World) -> tuple[object, ...]:
    """The same for worlds that differ only in the names of workers and requests, and in the size of numbers."""
    rows, gate, workers, payloads, telling = _requests_renamed(world)
    epochs = {rows.epoch, workers[0].epoch, workers[1].epoch, gate.epoch, 0}
    if max(epochs) >= len(epochs):
        rank = {it: i for i, it in enumerate(sorted(epochs))}
        rows = rows._replace(epoch=rank[rows.epoch])
        gate = gate._replace(epoch=rank[gate.epoch])
        workers = tuple([it._replace(epoch=rank[it.epoch]) for it in workers])
    for f in (0, 1):
        tokens = {0, rows.firings[f].n}
        tokens.update([it.n for it in workers if it.f == f])
        tokens.update([it.n for it in payloads if it.f == f])
        if max(tokens) >= len(tokens):
            rank = {n: i for i, n in enumerate(sorted(tokens))}
            rows = with_row(rows, f, rows.firings[f]._replace(n=rank[rows.firings[f].n]))
            workers = tuple([it._replace(n=rank[it.n]) if it.f == f else it for it in workers])
            payloads = tuple([it._replace(n=rank[it.n]) if it.f == f else it for it in payloads])
    if workers[0] > workers[1]:
        workers = (workers[1], workers[0])
    return (rows, gate, workers, payloads, telling)
