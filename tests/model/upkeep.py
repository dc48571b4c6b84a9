"""What reconciler, reaper, operators and faults may do next."""

from tests.model import gate as lua
from tests.model import rows as sql
from tests.model.steps import Step, Steps, rebuild, unused
from tests.model.world import (
    ABSENT,
    LEASED,
    NOTHING_TO_TELL,
    QUEUED,
    RESERVED,
    RUNNING,
    TERMINAL,
    WAITING,
    Gate,
    Rules,
    World,
    with_gate,
    with_rows,
)


def of_reconciler(world: World, rules: Rules) -> Steps:
    """Each thing that a pass may heal, on its own."""
    if not lua.is_whole(world):
        yield Step(("heal",), rebuild(world, rules))
        return
    gate = world.gate
    for f, row in enumerate(world.rows.firings):
        if row.status == QUEUED:
            yield from _queued(world, f, rules)
    after = gate
    for f, row in enumerate(world.rows.firings):
        if row.status in TERMINAL and after.seats[f] != ABSENT:
            after = lua.fill(lua.known(after, f, ABSENT), rules)
    yield from _if_changed("strangers", world, after)
    yield from _if_changed("seat", world, seated(world))
    yield from _if_changed("fill", world, lua.fill(gate, rules))
    yield from _if_changed("block_over", world, lua.fill(Gate(gate.epoch, gate.cap, False, gate.seats), rules))
    if rules.caps_reconciled and gate.cap != world.rows.cap:
        yield Step(("recap",), with_gate(world, lua.set_cap(gate, world.rows.cap, rules)))


def _if_changed(name: str, world: World, gate: Gate) -> Steps:
    if gate != world.gate:
        yield Step((name,), with_gate(world, gate))


def _queued(world: World, f: int, rules: Rules) -> Steps:
    gate, seat = world.gate, world.gate.seats[f]
    if seat == ABSENT:
        yield Step(("offer", f), with_gate(world, lua.offer(gate, f, rules)))
    elif seat > LEASED and rules.lost_claims_put_back:
        slow = any((it.f, it.r) == (f, seat - LEASED) for it in world.workers)
        yield Step(("overdue", f), with_gate(world, lua.put_back(gate, f, seat - LEASED, rules)), int(slow))
    elif seat == RESERVED:
        after = lua.offer(lua.withdraw(gate, f, rules), f, rules)
        yield Step(("overdue", f), with_gate(world, after), 1)


def seated(world: World) -> Gate:
    """Every running firing with its lease."""
    gate = world.gate
    for f, row in enumerate(world.rows.firings):
        if row.status == RUNNING:
            gate = lua.known(gate, f, LEASED + row.r)
    return gate


def of_reaper(world: World, rules: Rules) -> Steps:
    """An attempt whose exit is recorded is settled by it, one past lease and grace is lost; then the gate is told."""
    for f, row in enumerate(world.rows.firings):
        due = row.age > rules.deadline_age or not rules.reaper_has_grace
        if row.status != RUNNING or not (row.exit or due):
            continue
        after = with_rows(world, sql.ended(world.rows, f, row.exit or "lost", rules))
        if rules.faults:
            yield Step(("reap_untold", f), after, 1)
        if lua.is_whole(world):
            gate = lua.release(world.gate, f, row.r, rules)
            if after.rows.firings[f].status == QUEUED:
                gate = lua.offer(gate, f, rules)
            yield Step(("reap", f), with_gate(after, gate))


def of_operator(world: World, rules: Rules) -> Steps:
    """A cap is written where it stands, then told to the gate; who does so may die between."""
    if world.telling == NOTHING_TO_TELL:
        for cap in rules.caps:
            if cap != world.rows.cap:
                yield Step(("set_cap", cap), world._replace(rows=sql.fitted(world.rows, cap), telling=cap))
        return
    told = world._replace(telling=NOTHING_TO_TELL)
    if lua.is_whole(world):
        yield Step(("tell_cap", world.telling), told._replace(gate=lua.set_cap(world.gate, world.telling, rules)))
    if rules.faults:
        yield Step(("cap_not_told",), told, 1)


def of_faults(world: World, rules: Rules) -> Steps:
    """Redis flushed, or replaced by a replica that lags; a rebuild that dies; a reconciler with an old reading."""
    rows, gate = world.rows, world.gate
    torn = lua.rebuilt(world)
    yield Step(("rebuild_dies",), with_gate(world, torn), 1)
    if gate.epoch == 0:
        return
    yield Step(("flush",), with_gate(world, Gate(0)), 1)
    replaced = with_rows(world, rows._replace(same_redis=False))
    for f in (0, 1):
        for seat in (ABSENT, WAITING, RESERVED):
            if gate.seats[f] != seat:
                yield Step(("failover", f, seat), with_gate(replaced, lua.known(gate, f, seat)), 1)
        if gate.epoch == rows.epoch:
            yield from _old_reading(world, f, rules)


def _old_reading(world: World, f: int, rules: Rules) -> Steps:
    """What a reconciler does that looked at Postgres before something changed there."""
    gate, seat = world.gate, world.gate.seats[f]
    status = world.rows.firings[f].status
    if seat > LEASED:
        yield Step(("late_put_back", f), with_gate(world, lua.put_back(gate, f, seat - LEASED, rules)), 1)
        yield Step(("late_release", f), with_gate(world, lua.release(gate, f, seat - LEASED, rules)), 1)
    elif seat != ABSENT:
        yield Step(("late_withdraw", f), with_gate(world, lua.withdraw(gate, f, rules)), 1)
    elif status != QUEUED:
        yield Step(("late_offer", f), with_gate(world, lua.offer(gate, f, rules)), 1)
    if status != RUNNING:
        yield Step(("late_seat", f), with_gate(world, lua.known(gate, f, LEASED + unused(world, f))), 1)
