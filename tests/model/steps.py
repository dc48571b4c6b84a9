"""What a worker may do next, step by step, and what becomes of payloads under their guards."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model import gate as lua
from tests.model import rows as sql
from tests.model.world import (
    LEASED,
    RESERVED,
    RUNNING,
    WAITING,
    Label,
    Payload,
    Rules,
    Worker,
    World,
    idle,
    is_live,
    owner,
    with_row,
    with_worker,
)

ASKING = ("leased", "claimed", "ordered")


class Step(NamedTuple):
    """A step and where it leads; `fault` 1 counts against the number of faults that are looked at."""

    label: Label
    world: World
    fault: int = 0


Steps = Iterator[Step]


def of_worker(world: World, i: int, rules: Rules) -> Steps:
    """All that one worker may do next, with each thing that may go wrong in it."""
    worker = world.workers[i]
    yield from _make_whole(world, i, rules)
    match worker.phase:
        case "idle":
            yield from _claim(world, i, rules)
        case "leased":
            yield from _ask_postgres(world, i, rules)
        case "claimed" | "ordered":
            yield from _begin(world, i, rules)
        case "running":
            yield from _payload_ends(world, i)
        case "ended" | "recorded":
            yield from _settle(world, i, rules)
        case _:  # settled, or back from Postgres with a no
            yield from _tell_gate(world, i, rules)
    if worker.phase != "idle":
        yield Step(("crash", i), with_worker(world, i, idle(worker)), 1)


def _make_whole(world: World, i: int, rules: Rules) -> Steps:
    """Asked by a worker that the gate answers `UNSEEDED`, or Postgres `stale`."""
    worker, rows = world.workers[i], world.rows
    if worker.phase not in ("idle", "back", "settled"):
        return
    if worker.epoch == rows.epoch == world.gate.epoch:
        return
    if lua.is_whole(world):
        yield Step(("make_whole", i), with_worker(world, i, worker._replace(epoch=rows.epoch)))
    else:
        after = rebuild(world, rules)
        yield Step(("make_whole", i), with_worker(after, i, worker._replace(epoch=after.rows.epoch)))


def rebuild(world: World, rules: Rules) -> World:
    """The gate from Postgres under a new epoch, in one go: nothing is claimed or settled meanwhile."""
    gate = lua.rebuilt(world)
    rows = world.rows._replace(epoch=gate.epoch, same_redis=True)
    return world._replace(rows=rows, gate=lua.fill(gate, rules))


def _claim(world: World, i: int, rules: Rules) -> Steps:
    """A hint has come: of a reservation, or a late one, or one that came twice."""
    worker = world.workers[i]
    if worker.epoch != world.gate.epoch:
        return
    for f in (0, 1):
        r = unused(world, f)
        gate = lua.claim(world.gate, f, r, rules)
        if gate is not None:
            name = "claim" if world.gate.seats[f] == RESERVED else "claim_late"
            leased = Worker("leased", f, r, epoch=worker.epoch)
            yield Step((name, i, f), with_worker(world._replace(gate=gate), i, leased))


def unused(world: World, f: int) -> int:
    """A request of this firing that nobody knows."""
    row, seat = world.rows.firings[f], world.gate.seats[f]
    used = {row.r, seat - LEASED if seat > LEASED else 0}
    used |= {it.r for it in world.workers if it.f == f} | {it.r for it in world.payloads if it.f == f}
    return next(r for r in range(1, 9) if r not in used)


def _ask_postgres(world: World, i: int, rules: Rules) -> Steps:
    worker = world.workers[i]
    told = sql.claim(world, i, rules)
    match told.answer:
        case "claimed":
            after = worker._replace(phase="claimed", n=told.n)
        case "stale":
            after = idle(worker)
        case _:
            after = Worker("back", worker.f, worker.r, out=told.answer, epoch=worker.epoch)
    claimed = world._replace(rows=told.rows)
    yield Step(("commit", i), with_worker(claimed, i, after))
    if told.rows is not world.rows:
        yield Step(("commit_answer_lost", i), with_worker(claimed, i, worker._replace(n=told.n)), 1)
    away = Worker("back", worker.f, worker.r, out="put", epoch=worker.epoch)
    yield Step(("postgres_away_at_claim", i), with_worker(world, i, away), 1)


def _begin(world: World, i: int, rules: Rules) -> Steps:
    """The worker looks at its deadline and gives the order; the guard looks at it again and starts."""
    worker = world.workers[i]
    late = worker.age >= rules.deadline_age
    if worker.phase == "claimed":
        after = _ended(worker, "not") if late else worker._replace(phase="ordered")
        yield Step(("order", i), with_worker(world, i, after))
    elif late and rules.guard_checks_before_start:
        yield Step(("guard_refuses", i), with_worker(world, i, _ended(worker, "not")))
    else:
        payload = Payload(worker.f, worker.n, worker.r, worker.age)
        started = world._replace(payloads=tuple(sorted((*world.payloads, payload))))
        yield Step(("start", i), with_worker(started, i, worker._replace(phase="running", age=0)))


def _ended(worker: Worker, out: str) -> Worker:
    return worker._replace(phase="ended", r=worker.r, age=0, out=out)


def _payload_ends(world: World, i: int) -> Steps:
    worker = world.workers[i]
    left = tuple(it for it in world.payloads if (it.f, it.n) != (worker.f, worker.n))
    yield Step(("payload_ends", i), with_worker(world._replace(payloads=left), i, _ended(worker, "ok")))


def _settle(world: World, i: int, rules: Rules) -> Steps:
    worker = world.workers[i]
    if worker.phase == "ended" and worker.out != "not":
        recorded = worker._replace(phase="recorded")
        yield Step(("record_exit", i), with_worker(world._replace(rows=sql.exit_recorded(world, i)), i, recorded))
        yield Step(("exit_not_recorded", i), with_worker(world, i, recorded), 1)
        return
    after = Worker("settled", worker.f, worker.r, epoch=worker.epoch)
    rows = sql.settled(world, i, rules)
    yield Step(("settle", i), with_worker(world._replace(rows=rows), i, after))
    if rows is not world.rows:
        yield Step(("settle_answer_lost", i), world._replace(rows=rows), 1)
    yield Step(("postgres_away_at_settle", i), with_worker(world, i, after), 1)


def _tell_gate(world: World, i: int, rules: Rules) -> Steps:
    worker = world.workers[i]
    free = with_worker(world, i, idle(worker))
    if worker.epoch == world.gate.epoch:
        act = {"full": lua.block, "put": lua.put_back}.get(worker.out, lua.release)
        name = {"full": "block", "put": "put_back"}.get(worker.out, "release")
        yield Step((name, i), free._replace(gate=act(world.gate, worker.f, worker.r, rules)))
        if worker.phase == "settled":
            yield from _take_next(world, i, rules)
    yield Step(("gate_away", i), free, 1)


def _take_next(world: World, i: int, rules: Rules) -> Steps:
    """The slot given back, and the next in line leased to the same worker, in one call; its answer may be lost."""
    worker, other = world.workers[i], 1 - world.workers[i].f
    gate = lua.release(world.gate, worker.f, worker.r, rules)
    is_made = world.gate.seats[other] == WAITING and gate.seats[other] == RESERVED
    if world.gate.seats[worker.f] != LEASED + worker.r or not is_made:
        return
    r = unused(world, other)
    taken = world._replace(gate=lua.known(gate, other, LEASED + r))
    leased = Worker("leased", other, r, epoch=worker.epoch)
    yield Step(("release_and_take", i, other), with_worker(taken, i, leased))
    yield Step(("take_answer_lost", i, other), with_worker(taken, i, idle(worker)), 1)


# Guards and clocks --------------------------------------------------------------------------------


def of_guards(world: World, rules: Rules) -> Steps:
    """A guard kills at its deadline, when its worker is gone, or when Postgres no longer knows its token."""
    for it in world.payloads:
        i = owner(world, it)
        late = it.age >= rules.deadline_age and rules.guard_has_deadline
        if late or i is None or (not is_live(world, it.f, it.n) and rules.guard_has_deadline):
            left = world._replace(payloads=tuple(other for other in world.payloads if other != it))
            after = left if i is None else with_worker(left, i, _ended(world.workers[i], "lost"))
            yield Step(("guard_kills", it.f, it.r), after)
        if it.age < rules.deadline_age and i is not None:
            yield from _renewal(world, it)


def _renewal(world: World, it: Payload) -> Steps:
    """The answer may be heard late or never: only when it is heard does the guard's deadline move."""
    row = world.rows.firings[it.f]
    if is_live(world, it.f, it.n) and row.age:
        rows = with_row(world.rows, it.f, row._replace(age=0))
        yield Step(("renew", it.f, it.r), _with_payload(world._replace(rows=rows), it, it._replace(answer=0)))
    if 0 <= it.answer < it.age:
        heard = it._replace(age=it.answer, answer=-1)
        yield Step(("renewal_heard", it.f, it.r), _with_payload(world, it, heard))


def _with_payload(world: World, old: Payload, new: Payload) -> World:
    return world._replace(payloads=tuple(sorted(new if it == old else it for it in world.payloads)))


def of_time(world: World, rules: Rules) -> Steps:
    """A part of a lease passes, for all who know of this request: whoever is slow or frozen grows older.

    No guard lets its deadline pass by for longer than that, which is what the reaper's grace is made of.
    """
    asked = {(it.f, it.r) for it in world.workers if it.phase in (*ASKING, "running")}
    asked |= {(it.f, it.r) for it in world.payloads}
    asked |= {(f, it.r) for f, it in enumerate(world.rows.firings) if it.r}
    for f, r in sorted(asked):
        if rules.guard_has_deadline and any(
            (it.f, it.r) == (f, r) and it.age >= rules.deadline_age for it in world.payloads
        ):
            continue
        later = _later(world, f, r, rules)
        if later != world:
            yield Step(("time_passes", f, r), later, _is_new(world, f, r))


def _is_new(world: World, f: int, r: int) -> int:
    """That a worker is slow or frozen is a fault, once; that time goes on for what it left behind is none."""
    ages = [it.age for it in world.workers if (it.f, it.r) == (f, r) and it.phase in ASKING]
    ages += [it.age for it in world.payloads if (it.f, it.r) == (f, r) and owner(world, it) is not None]
    ages += [world.rows.firings[f].age] if any((it.f, it.r) == (f, r) for it in world.workers) else []
    return int(bool(ages) and max(ages) == 0)


def _later(world: World, f: int, r: int, rules: Rules) -> World:
    workers = tuple(
        it._replace(age=min(it.age + 1, rules.deadline_age)) if (it.f, it.r) == (f, r) and it.phase in ASKING else it
        for it in world.workers
    )
    payloads = tuple(sorted(_older(it, rules) if (it.f, it.r) == (f, r) else it for it in world.payloads))
    row = world.rows.firings[f]
    rows = world.rows
    if row.status == RUNNING and row.r == r:
        rows = with_row(rows, f, row._replace(age=min(row.age + 1, rules.deadline_age + 1)))
    return world._replace(rows=rows, workers=workers, payloads=payloads)


def _older(it: Payload, rules: Rules) -> Payload:
    age = min(it.age + 1, rules.deadline_age)
    answer = it.answer + 1 if 0 <= it.answer < age - 1 else -1
    return it._replace(age=age, answer=answer)
