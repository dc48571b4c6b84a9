"""What the Lua scripts do, as far as two firings under one limit can tell."""

from tests.model.world import ABSENT, LEASED, RESERVED, WAITING, Gate, Rules, World


def known(gate: Gate, f: int, seat: int) -> Gate:
    """The same, but for what is known of one firing."""
    seats = (seat, gate.seats[1]) if f == 0 else (gate.seats[0], seat)
    return Gate(gate.epoch, gate.cap, gate.blocked, seats)


def used(gate: Gate) -> int:
    """Reservations and leases: a cardinality."""
    return (gate.seats[0] >= RESERVED) + (gate.seats[1] >= RESERVED)


def has_room(gate: Gate, *, forced: bool) -> bool:
    """What `in_the_way` asks."""
    if gate.cap == 0:
        return False
    return forced or (not gate.blocked and used(gate) < gate.cap)


def fill(gate: Gate, rules: Rules) -> Gate:
    """The hand-over: who is forced goes first and needs no room, then the head of the line gets what is free."""
    for f in (0, 1):
        if gate.seats[f] == WAITING and rules.forced[f] and gate.cap and not gate.blocked:
            gate = known(gate, f, RESERVED)
    for f in (0, 1):
        if gate.seats[f] == WAITING and not rules.forced[f] and not gate.blocked and used(gate) < gate.cap:
            gate = known(gate, f, RESERVED)
    return gate


def offer(gate: Gate, f: int, rules: Rules) -> Gate:
    """Into the line, unless it is known."""
    return fill(known(gate, f, WAITING) if gate.seats[f] == ABSENT else gate, rules)


def claim(gate: Gate, f: int, r: int, rules: Rules) -> Gate | None:
    """A lease for a reservation, or for one in line when there is room; None: no."""
    seat = gate.seats[f]
    if seat == RESERVED or (seat == WAITING and has_room(gate, forced=rules.forced[f])):
        return known(gate, f, LEASED + r)
    return None


def release(gate: Gate, f: int, r: int, rules: Rules) -> Gate:
    """Gives a lease back, if it is this request's."""
    return fill(known(gate, f, ABSENT) if gate.seats[f] == LEASED + r else gate, rules)


def put_back(gate: Gate, f: int, r: int, rules: Rules) -> Gate:
    """Back to its place in line, if it is this request's."""
    return fill(known(gate, f, WAITING) if gate.seats[f] == LEASED + r else gate, rules)


def block(gate: Gate, f: int, r: int, rules: Rules) -> Gate:
    """As `put_back`, and nothing is filled for a while."""
    if gate.seats[f] != LEASED + r:
        return fill(gate, rules)
    return known(gate, f, WAITING)._replace(blocked=True)


def withdraw(gate: Gate, f: int, rules: Rules) -> Gate:
    """Out of the line and out of a reservation; a lease is left alone."""
    return fill(known(gate, f, ABSENT) if gate.seats[f] in (WAITING, RESERVED) else gate, rules)


def set_cap(gate: Gate, cap: int, rules: Rules) -> Gate:
    """Another cap; a block ends with it."""
    return fill(gate._replace(cap=cap, blocked=False), rules)


def rebuilt(world: World) -> Gate:
    """From Postgres, under the next epoch: what runs has its lease, what waits is in line."""
    rows = world.rows
    seats = tuple(
        WAITING if it.status == "queued" else LEASED + it.r if it.status == "running" else ABSENT for it in rows.firings
    )
    return Gate(max(rows.epoch, world.gate.epoch) + 1, rows.cap, blocked=False, seats=seats)


def is_whole(world: World) -> bool:
    """What `make_whole` asks first."""
    return world.gate.epoch == world.rows.epoch and world.rows.same_redis
