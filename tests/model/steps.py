"""What a worker may do next, step by step."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model import gate as lua
from tests.model import rows as sql
from tests.model.world import (
    LEASED,
    RESERVED,
    WAITING,
    Label,
    Payload,
    Rows,
    Rules,
    Worker,
    World,
    idle,
    is_live,
    with_gate,
    with_rows,
    with_worker,
)

BY_TOKEN = (
    *("settle", "settle_answer_lost", "record_exit"),
    *("settle_and_commit", "settle_and_commit_answer_lost"),
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
            yield from _release_ahead(world, i, rules)
        case "ahead":
            yield from _settle_and_claim(world, i, rules)
        case _:  # settled, or back from Postgres with a no
            yield from _tell_gate(world, i, rules)
    if rules.faults and worker.phase != "idle":
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
    old = world.rows
    rows = Rows(gate.epoch, True, old.cap, old.surplus, old.free, old.firings)
    return World(rows, lua.fill(gate, rules), world.workers, world.payloads, world.telling)


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
            yield Step((name, i, f), with_worker(with_gate(world, gate), i, leased))


def unused(world: World, f: int) -> int:
    """A request of this firing that nobody knows."""
    row, seat = world.rows.firings[f], world.gate.seats[f]
    used = {row.r, seat - LEASED if seat > LEASED else 0}
    used |= {it.r if it.f == f else it.taking for it in world.workers} | {it.r for it in world.payloads if it.f == f}
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
    claimed = with_rows(world, told.rows)
    yield Step(("commit", i), with_worker(claimed, i, after))
    if not rules.faults:
        return
    if told.rows is not world.rows:
        yield Step(("commit_answer_lost", i), with_worker(claimed, i, worker._replace(n=told.n)), 1)
    away = Worker("back", worker.f, worker.r, out="put", epoch=worker.epoch)
    yield Step(("postgres_away_at_claim", i), with_worker(world, i, away), 1)


def _begin(world: World, i: int, rules: Rules) -> Steps:
    """The worker looks at its deadline and gives the order; the guard looks at it again and starts."""
    worker = world.workers[i]
    late = worker.age >= rules.deadline_age
    if worker.phase == "claimed":
        after = ended(worker, "not") if late else worker._replace(phase="ordered")
        yield Step(("order", i), with_worker(world, i, after))
    elif late and rules.guard_checks_before_start:
        yield Step(("guard_refuses", i), with_worker(world, i, ended(worker, "not")))
    else:
        payload = Payload(worker.f, worker.n, worker.r, worker.age)
        started = world._replace(payloads=tuple(sorted((*world.payloads, payload))))
        yield Step(("start", i), with_worker(started, i, worker._replace(phase="running", age=0)))


def ended(worker: Worker, out: str) -> Worker:
    """Its payload is gone, and this is how it went."""
    return worker._replace(phase="ended", r=worker.r, age=0, out=out)


def _payload_ends(world: World, i: int) -> Steps:
    worker = world.workers[i]
    left = tuple(it for it in world.payloads if (it.f, it.n) != (worker.f, worker.n))
    yield Step(("payload_ends", i), with_worker(world._replace(payloads=left), i, ended(worker, "ok")))


def _settle(world: World, i: int, rules: Rules) -> Steps:
    worker = world.workers[i]
    if worker.phase == "ended" and worker.out != "not":
        recorded = worker._replace(phase="recorded")
        yield Step(("record_exit", i), with_worker(with_rows(world, sql.exit_recorded(world, i)), i, recorded))
        if rules.faults:
            yield Step(("exit_not_recorded", i), with_worker(world, i, recorded), 1)
        return
    after = _asking(worker) if worker.taking else Worker("settled", worker.f, worker.r, epoch=worker.epoch)
    rows = sql.settled(world, i, rules)
    yield Step(("settle", i), with_worker(with_rows(world, rows), i, after))
    if not rules.faults:
        return
    if rows is not world.rows:
        yield Step(("settle_answer_lost", i), with_rows(world, rows), 1)
    yield Step(("postgres_away_at_settle", i), with_worker(world, i, after), 1)


def _release_ahead(world: World, i: int, rules: Rules) -> Steps:
    """A success whose rows are locked: its slot given back, and the next in line taken, before the settle commits."""
    worker, other = world.workers[i], 1 - world.workers[i].f
    is_sure = worker.phase == "recorded" and worker.out == "ok" and is_live(world, worker.f, worker.n)
    if not is_sure or worker.epoch != world.gate.epoch or world.gate.seats[worker.f] != LEASED + worker.r:
        return
    gate, r = lua.release(world.gate, worker.f, worker.r, rules), 0
    if world.gate.seats[other] == WAITING and gate.seats[other] == RESERVED:
        r = unused(world, other)
        gate = lua.known(gate, other, LEASED + r)
    ahead = worker._replace(phase="ahead", taking=r, age=0)
    yield Step(("release_ahead", i, other), with_worker(with_gate(world, gate), i, ahead))


def _settle_and_claim(world: World, i: int, rules: Rules) -> Steps:
    """One transaction; if it breaks, the settle is made again alone, then the claim is asked for."""
    worker = world.workers[i]
    if rules.faults:
        yield Step(("cut_off", i), with_worker(world, i, worker._replace(phase="recorded")), 1)
    settled = with_worker(with_rows(world, sql.settled(world, i, rules)), i, _asking(worker))
    if not worker.taking:
        yield Step(("settle", i), settled)
        return
    for step in _ask_postgres(settled, i, rules):
        if step.label[0] in ("commit", "commit_answer_lost"):
            yield step._replace(label=(f"settle_and_{step.label[0]}", i))


def _asking(worker: Worker) -> Worker:
    """On to what it has taken along with its settle, if it has taken anything."""
    if not worker.taking:
        return idle(worker)
    return Worker("leased", 1 - worker.f, worker.taking, age=worker.age, epoch=worker.epoch)


def waits_for_locks(world: World, step: Step) -> bool:
    """Whether this step of another's has to wait for a settle that is under way, and holds its firing's rows.

    And the admission lock with all others who claim and settle: no rebuild, no other cap meanwhile.
    """
    old, new = world.rows, step.world.rows
    for i, it in enumerate(world.workers):
        if it.phase != "ahead" or old is new or (step.label[0] in BY_TOKEN and step.label[1] == i):
            continue
        one, other = old.firings[it.f], new.firings[it.f]
        is_touched = one is not other and one._replace(age=0) != other._replace(age=0)
        if is_touched or (old.epoch, old.cap) != (new.epoch, new.cap):
            return True
    return False


def _tell_gate(world: World, i: int, rules: Rules) -> Steps:
    worker = world.workers[i]
    free = with_worker(world, i, idle(worker))
    if worker.epoch == world.gate.epoch:
        act = {"full": lua.block, "put": lua.put_back}.get(worker.out, lua.release)
        name = {"full": "block", "put": "put_back"}.get(worker.out, "release")
        yield Step((name, i), with_gate(free, act(world.gate, worker.f, worker.r, rules)))
        if worker.phase == "settled":
            yield from _take_next(world, i, rules)
    if rules.faults:
        yield Step(("gate_away", i), free, 1)


def _take_next(world: World, i: int, rules: Rules) -> Steps:
    """The slot given back, and the next in line leased to the same worker, in one call; its answer may be lost."""
    worker, other = world.workers[i], 1 - world.workers[i].f
    gate = lua.release(world.gate, worker.f, worker.r, rules)
    is_made = world.gate.seats[other] == WAITING and gate.seats[other] == RESERVED
    if world.gate.seats[worker.f] != LEASED + worker.r or not is_made:
        return
    r = unused(world, other)
    taken = with_gate(world, lua.known(gate, other, LEASED + r))
    leased = Worker("leased", other, r, epoch=worker.epoch)
    yield Step(("release_and_take", i, other), with_worker(taken, i, leased))
    if rules.faults:
        yield Step(("take_answer_lost", i, other), with_worker(taken, i, idle(worker)), 1)
