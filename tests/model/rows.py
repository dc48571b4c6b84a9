"""What the statements of Postgres do: each function is one transaction."""

from typing import NamedTuple

from tests.model.world import (
    A_ROW,
    COMPLETED,
    FAILED,
    FORCED_ROW,
    NO_SLOT,
    QUEUED,
    RUNNING,
    Row,
    Rows,
    Rules,
    World,
    with_row,
)


class Told(NamedTuple):
    """What `claim_firing` answers, and the rows after it."""

    answer: str
    rows: Rows
    n: int = 0


def claim(world: World, i: int, rules: Rules) -> Told:
    """A free slot row, a new token, the attempt, the firing running: or why not."""
    rows, worker = world.rows, world.workers[i]
    row = rows.firings[worker.f]
    if worker.n:  # it was asked before, and the answer was lost
        if row.status == RUNNING and row.n == worker.n:
            return Told("claimed", rows, row.n)
        return Told("gone", rows)
    if rows.epoch != worker.epoch:
        return Told("stale", rows)
    if row.status != QUEUED:
        return Told("gone", rows)
    slot, free = _slot(rows, forced=rules.forced[worker.f], rules=rules)
    if slot == NO_SLOT:
        return Told("full", rows)
    claimed = Row(RUNNING, row.n + 1, row.charged + 1, slot, worker.r)
    return Told("claimed", with_row(rows._replace(free=free), worker.f, claimed), claimed.n)


def _slot(rows: Rows, *, forced: bool, rules: Rules) -> tuple[int, int]:
    if not rules.slot_rows:
        return A_ROW, rows.free
    if rows.free and rows.cap:
        return A_ROW, rows.free - 1
    return (FORCED_ROW if forced and rows.cap else NO_SLOT), 0


def ended(rows: Rows, f: int, out: str, rules: Rules) -> Rows:
    """The live attempt's end: completed, failed, or queued again; its slot row is free, or gone."""
    row = rows.firings[f]
    if out == "not":
        after = Row(QUEUED, row.n, row.charged - 1)
    elif out == "lost" and row.charged < rules.max_attempts:
        after = Row(QUEUED, row.n, row.charged)
    else:
        after = Row(COMPLETED if out == "ok" else FAILED, row.n, row.charged)
    surplus, free = rows.surplus, rows.free
    if row.slot == A_ROW and rules.slot_rows:
        surplus, free = (surplus - 1, free) if surplus else (0, free + 1)
    return with_row(Rows(rows.epoch, rows.same_redis, rows.cap, surplus, free, rows.firings), f, after)


def settled(world: World, i: int, rules: Rules) -> Rows:
    """What a worker's settle leaves: nothing changes where its token is not the live attempt's."""
    worker = world.workers[i]
    row = world.rows.firings[worker.f]
    if row.status == RUNNING and (row.n == worker.n or not rules.token_checked):
        return ended(world.rows, worker.f, worker.out, rules)
    return world.rows


def exit_recorded(world: World, i: int) -> Rows:
    """The payload's end, alone, by the token."""
    worker = world.workers[i]
    row = world.rows.firings[worker.f]
    if row.status == RUNNING and row.n == worker.n:
        return with_row(world.rows, worker.f, row._replace(exit=worker.out))
    return world.rows


def fitted(rows: Rows, cap: int) -> Rows:
    """Another cap: as many rows as it says, and a surplus of held ones that go when they settle."""
    held = sum(it.slot == A_ROW for it in rows.firings)
    return rows._replace(cap=cap, free=max(0, cap - held), surplus=max(0, held - cap))
