"""A trace of the abstract world on the real servers, compared after every step."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from shared import keys
from shared.gate import Gate
from tests.model import real_upkeep
from tests.model.real import SEATS, Real
from tests.model.search import steps
from tests.model.steps import Step
from tests.model.world import A_ROW, FORCED_ROW, LEASED, NO_SLOT, Label, Rules, World, first

HEALINGS = ("offer", "overdue", "block_over", "fill", "strangers", "seat", "recap")
# What only a worker's own memory or a guard sees, and what is lost on its way.
UNSEEN = (
    *("crash", "order", "start", "guard_refuses", "guard_kills", "payload_ends", "renewal_heard", "cap_not_told"),
    *("postgres_away_at_claim", "postgres_away_at_settle", "exit_not_recorded", "gate_away", "cut_off"),
)


class Differs(AssertionError):
    """Code and model disagree."""


def replay(real: Real, labels: list[Label], rules: Rules) -> None:
    """Runs the steps in both worlds, compared after each."""
    real.begin(rules)
    world = first()
    compare(real, world, [])
    for number, label in enumerate(labels):
        step = next(it for it in steps(world, rules) if it.label == label)
        take(real, world, step, labels[: number + 1])
        world = step.world


def take(real: Real, world: World, step: Step, so_far: list[Label]) -> None:
    """One step on the real servers, which must lead where it leads the model; Differs where it does not."""
    try:
        act(real, step.label, world, step.world)
    except AssertionError as error:
        raise Differs(f"{error}\nat the last of {so_far}") from error
    _learn(real, world, step.world)
    compare(real, step.world, so_far)


class Turn(NamedTuple):
    """A step of the model: its first and its last number, and the worlds before and after."""

    first: int
    last: int
    before: World
    after: World


def act(real: Real, label: Label, before: World, after: World) -> None:
    """One step on the real servers; those that only a worker's own memory or its guard sees do nothing here."""
    name, numbers = str(label[0]), [int(it) for it in label[1:]] or [0]
    if name in HEALINGS:
        real_upkeep.heal(real, name, numbers[0])
    elif name.startswith("late_"):
        real.late(name, numbers[0], after)
    elif name.startswith("reap"):
        real_upkeep.reap(real, numbers[0], before, told=name == "reap")
    elif name in _ACTS:
        _ACTS[name](real, Turn(numbers[0], numbers[-1], before, after))
    elif name not in UNSEEN:
        raise KeyError(f"nobody has said what {name} is on real servers")


_ACTS: dict[str, Callable[[Real, Turn], Any]] = {
    "claim": lambda real, it: real.claim(it.first, it.last, it.after),
    "claim_late": lambda real, it: real.claim(it.first, it.last, it.after),
    "commit": lambda real, it: real.commit(it.first, it.before, it.after),
    "commit_answer_lost": lambda real, it: real.commit(it.first, it.before, it.after),
    "record_exit": lambda real, it: real.record_exit(it.first, it.before),
    "settle": lambda real, it: real.settle(it.first, it.before, it.after),
    "settle_answer_lost": lambda real, it: real.settle(it.first, it.before, it.after),
    "settle_and_commit": lambda real, it: real.settle_and_commit(it.first, it.before, it.after),
    "settle_and_commit_answer_lost": lambda real, it: real.settle_and_commit(it.first, it.before, it.after),
    "release": lambda real, it: real.give_back(it.first, it.before),
    "release_ahead": lambda real, it: real.take_next(it.first, it.last, it.before, it.after),
    "release_and_take": lambda real, it: real.take_next(it.first, it.last, it.before, it.after),
    "take_answer_lost": lambda real, it: real.take_next(it.first, it.last, it.before, it.after),
    "put_back": lambda real, it: real.give_back(it.first, it.before),
    "block": lambda real, it: real.give_back(it.first, it.before),
    "make_whole": lambda real, it: real.workers[it.first].make_whole(),
    "heal": lambda real, _: real.upkeep.make_whole(),
    "renew": lambda real, it: real.renew(it.first, it.before),
    "time_passes": lambda real, it: _time(real, it.first, it.before, it.after),
    "rebuild_dies": lambda real, _: real.rebuild_dies(),
    "flush": lambda real, _: real.redis.flushdb(),
    "failover": lambda real, it: real.failover(it.first, it.last),
    "set_cap": lambda real, it: real.set_cap(it.first),
    "tell_cap": lambda real, _: real.upkeep.tell_cap("fleet"),
}


def _time(real: Real, f: int, before: World, after: World) -> None:
    limit = real.rules.deadline_age
    if before.rows.firings[f].age <= limit < after.rows.firings[f].age:
        real.lapse(f)


def _learn(real: Real, before: World, after: World) -> None:
    """The real number of the gate's epoch where the model has another than before: numbers are used again there."""
    if after.gate.epoch in (before.gate.epoch, 0):
        return
    there = real.upkeep.gate.current_epoch()
    if there is not None:
        real.epochs[after.gate.epoch] = there


# Seen and compared --------------------------------------------------------------------------------


class Seen(NamedTuple):
    """The parts of a world that stand on servers."""

    epoch: int
    same_redis: bool
    limit: tuple[int, int, int]
    firings: list[tuple[Any, ...]]
    gate_epoch: int | None
    cap: int
    blocked: bool
    seats: Sequence[tuple[int, UUID | None]]


def compare(real: Real, world: World, so_far: list[Label]) -> None:
    """Fails where the servers do not hold what the world says."""
    foretold, found = expected(real, world), seen(real, world)
    if foretold != found:
        names = [it for it in Seen._fields if getattr(foretold, it) != getattr(found, it)]
        lines = [f"{it}: the model says {getattr(foretold, it)}, there is {getattr(found, it)}" for it in names]
        raise Differs("\n".join([*lines, f"after {so_far}"]))


def expected(real: Real, world: World) -> Seen:
    """What should be there."""
    rows, gate = world.rows, world.gate
    firings = [
        (
            it.status,
            real.tokens.get((f, it.n)),
            it.charged,
            it.slot,
            real.requests.get((f, it.r)),
            bool(it.exit),
            it.age > real.rules.deadline_age,
        )
        for f, it in enumerate(rows.firings)
    ]
    seats = [(it, None) if it <= LEASED else (LEASED, real.requests[f, it - LEASED]) for f, it in enumerate(gate.seats)]
    return Seen(
        real.epochs[rows.epoch],
        rows.same_redis,
        (rows.cap, rows.surplus, rows.free),
        firings,
        real.epochs[gate.epoch] if gate.epoch else None,
        gate.cap,
        gate.blocked,
        seats if gate.epoch else [(0, None)] * 2,
    )


def seen(real: Real, world: World) -> Seen:
    """What is there; asked for after each step, and so in as few questions as can be."""
    rows = real.sql.execute(_ROWS, [real.firings]).fetchall()
    number, run_id, *limit = rows[0][:5]
    same, firings = run_id == real.run_id, [_firing(it[5:]) for it in rows]
    there = real.upkeep.gate.current_epoch()
    if there is None:
        return Seen(number, same, _three(limit), firings, None, 0, blocked=False, seats=[(0, None)] * 2)
    gate = Gate(real.redis, real.upkeep.gate.namespace, 0)
    gate.epoch = there
    held = gate.states(real.firings)
    seats = [(SEATS[it.state], None) if it.state != "leased" else (LEASED, UUID(it.request)) for it in held]
    root = f"{keys.gate_root(gate.namespace)}:{there}"
    with real.redis.pipeline(transaction=False) as pipe:
        pipe.zscore(f"{root}:blocked", "fleet")
        pipe.hget(f"{root}:caps", "fleet")
        until, cap = pipe.execute()
    return Seen(number, same, _three(limit), firings, there, int(cap), blocked=until is not None, seats=seats)


_ROWS = """
    select e.number, e.redis_run_id, l.cap, l.surplus,
           (select count(*) from slots where limit_key = 'fleet' and token is null),
           f.status, f.token, f.attempt_count, s.forced, a.request_id, a.exited_at is not null,
           coalesce(a.heartbeat_expires_at + interval '15 s' < now(), false)
      from epoch e join limits l on l.key = 'fleet' cross join unnest(%s::uuid[]) with ordinality asked (id, place)
      join firings f on f.id = asked.id
      left join attempts a on a.firing_id = f.id and a.ended_at is null
      left join slots s on s.token = f.token
     order by asked.place
"""


def _three(limit: list[int]) -> tuple[int, int, int]:
    cap, surplus, free = limit
    return cap, surplus, free


def _firing(row: tuple[Any, ...]) -> tuple[Any, ...]:
    status, token, charged, forced, request, exited, lapsed = row
    slot = NO_SLOT if forced is None else FORCED_ROW if forced else A_ROW
    return (status, token, charged, slot, request, exited, lapsed)
