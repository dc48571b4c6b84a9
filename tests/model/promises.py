"""What must hold in every state, and of every step."""

from tests.model.steps import BY_TOKEN, Step
from tests.model.world import A_ROW, FORCED_ROW, NO_SLOT, RUNNING, TERMINAL, Rules, World


def broken(world: World, rules: Rules) -> str | None:
    """Which promise this state breaks; None: none."""
    rows = world.rows
    forced = sum(it.slot == FORCED_ROW for it in rows.firings)
    if len(world.payloads) > rows.cap + rows.surplus + forced:
        return "more payloads execute than the cap allows"
    if len({it.f for it in world.payloads}) < len(world.payloads):
        return "two payloads of one firing execute at once"
    if not rules.slot_rows:
        return None
    held = sum(it.slot == A_ROW for it in rows.firings)
    if any((it.status == RUNNING) != (it.slot != NO_SLOT) for it in rows.firings):
        return "not exactly the running firings hold slot rows"
    if rows.free < 0 or rows.free + held != rows.cap + rows.surplus:
        return "there are not as many slot rows as the cap says"
    return None


def broken_by(before: World, step: Step, rules: Rules) -> str | None:
    """Which promise this step breaks; None: none."""
    after = step.world
    for f, (old, new) in enumerate(zip(before.rows.firings, after.rows.firings, strict=True)):
        if old is new:
            continue
        if old.status in TERMINAL and old != new:
            return "a firing that had ended changed"
        if new.n < old.n or (new.n > old.n) != (old.status != RUNNING and new.status == RUNNING):
            return "a token did not rise with the claim, and only with it"
        if new.n > old.n and new.slot == A_ROW and rules.slot_rows and _held(after) > after.rows.cap:
            return "a firing started although no slot was free under the cap"
        if rules.token_checked and step.label[0] in BY_TOKEN:
            worker = before.workers[int(step.label[1])]
            if (f, old.n) != (worker.f, worker.n) and not (worker.taking and f != worker.f):
                return "a stale token changed a row"
    return None


def _held(world: World) -> int:
    return sum(it.slot == A_ROW for it in world.rows.firings)


def is_done(world: World) -> bool:
    """Both firings have ended; or nothing may start, because the operator said so."""
    return world.rows.cap == 0 or all(it.status in TERMINAL for it in world.rows.firings)
