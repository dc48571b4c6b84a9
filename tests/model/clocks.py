"""What becomes of payloads under their guards, and of whoever is slow or frozen while time passes."""

from tests.model.steps import ASKING, Step, Steps, ended
from tests.model.world import (
    RUNNING,
    Payload,
    Rules,
    Worker,
    World,
    is_live,
    owner,
    with_row,
    with_rows,
    with_worker,
)

NOBODY = (-1, 0)


def of_guards(world: World, rules: Rules) -> Steps:
    """A guard kills at its deadline, when its worker is gone, or when Postgres no longer knows its token."""
    for it in world.payloads:
        i = owner(world, it)
        late = it.age >= rules.deadline_age and rules.guard_has_deadline
        if late or i is None or (not is_live(world, it.f, it.n) and rules.guard_has_deadline):
            left = world._replace(payloads=tuple(other for other in world.payloads if other != it))
            after = left if i is None else with_worker(left, i, ended(world.workers[i], "lost"))
            yield Step(("guard_kills", it.f, it.r), after)
        if it.age < rules.deadline_age and i is not None:
            yield from _renewal(world, it)


def _renewal(world: World, it: Payload) -> Steps:
    """The answer may be heard late or never: only when it is heard does the guard's deadline move."""
    row = world.rows.firings[it.f]
    if is_live(world, it.f, it.n) and row.age:
        rows = with_row(world.rows, it.f, row._replace(age=0))
        yield Step(("renew", it.f, it.r), _with_payload(with_rows(world, rows), it, it._replace(answer=0)))
    if 0 <= it.answer < it.age:
        heard = it._replace(age=it.answer, answer=-1)
        yield Step(("renewal_heard", it.f, it.r), _with_payload(world, it, heard))


def _with_payload(world: World, old: Payload, new: Payload) -> World:
    return world._replace(payloads=tuple(sorted(new if it == old else it for it in world.payloads)))


def _asks(worker: Worker) -> tuple[int, int]:
    """The firing and the request for which a worker asks, and whose time runs from before it asked."""
    if worker.taking:
        return 1 - worker.f, worker.taking
    return (worker.f, worker.r) if worker.phase in ASKING else NOBODY


def of_time(world: World, rules: Rules) -> Steps:
    """A part of a lease passes, for all who know of this request: whoever is slow or frozen grows older.

    No guard lets its deadline pass by for longer than that, which is what the reaper's grace is made of.
    """
    asked = {(it.f, it.r) for it in world.workers if it.phase == "running"} | {_asks(it) for it in world.workers}
    asked.discard(NOBODY)
    asked |= {(it.f, it.r) for it in world.payloads}
    asked |= {(f, it.r) for f, it in enumerate(world.rows.firings) if it.r}
    for f, r in sorted(asked):
        if rules.guard_has_deadline and any(
            (it.f, it.r) == (f, r) and it.age >= rules.deadline_age for it in world.payloads
        ):
            continue
        fault = _is_new(world, f, r)
        if fault and not rules.faults:
            continue
        later = _later(world, f, r, rules)
        if later != world:
            yield Step(("time_passes", f, r), later, fault)


def _is_new(world: World, f: int, r: int) -> int:
    """That a worker is slow or frozen is a fault, once; that time goes on for what it left behind is none."""
    ages = [it.age for it in world.workers if _asks(it) == (f, r)]
    ages += [it.age for it in world.payloads if (it.f, it.r) == (f, r) and owner(world, it) is not None]
    ages += [world.rows.firings[f].age] if any((it.f, it.r) == (f, r) for it in world.workers) else []
    return int(bool(ages) and max(ages) == 0)


def _later(world: World, f: int, r: int, rules: Rules) -> World:
    workers = tuple(
        [it._replace(age=min(it.age + 1, rules.deadline_age)) if _asks(it) == (f, r) else it for it in world.workers]
    )
    payloads = tuple(sorted([_older(it, rules) if (it.f, it.r) == (f, r) else it for it in world.payloads]))
    row = world.rows.firings[f]
    rows = world.rows
    if row.status == RUNNING and row.r == r:
        rows = with_row(rows, f, row._replace(age=min(row.age + 1, rules.deadline_age + 1)))
    return World(rows, world.gate, workers, payloads, world.telling)


def _older(it: Payload, rules: Rules) -> Payload:
    age = min(it.age + 1, rules.deadline_age)
    answer = it.answer + 1 if 0 <= it.answer < age - 1 else -1
    return it._replace(age=age, answer=answer)
