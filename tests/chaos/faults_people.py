"""What people do while all that happens: caps, pauses, edits, cancels, storms of requests, mistakes."""

from random import Random
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from console.deeds import firings, pausing, schedules
from console.deeds.settings import write as write_setting
from shared.answers import Waiter
from shared.store import firings as rows
from shared.store import limits
from tests.chaos.faults import fault
from tests.chaos.load import FLEET_CAP, LANE, NEVER_OF_ITSELF, ask, wish
from tests.chaos.world import World

ACTOR = "chaos"


def a_schedule(world: World, dice: Random) -> UUID:
    return dice.choice(list(world.schedules))


def back_to(world: World, key: str, cap: int | None, dice: Random) -> float:
    return world.later(dice.uniform(1.5, 3.5), lambda: world.set_cap(key, cap))


@fault
def cap_lowered(world: World, dice: Random) -> float:
    world.set_cap("fleet", 1)
    return back_to(world, "fleet", FLEET_CAP, dice)


@fault
def cap_raised(world: World, dice: Random) -> float:
    world.set_cap("fleet", FLEET_CAP + 3)
    return back_to(world, "fleet", FLEET_CAP, dice)


@fault
def cap_zero(world: World, dice: Random) -> float:
    world.set_cap("fleet", 0)
    return back_to(world, "fleet", FLEET_CAP, dice)


@fault
def cap_flapping(world: World, dice: Random) -> None:
    for cap in (1, 4, 2, 6, 1, FLEET_CAP):
        world.set_cap("fleet", cap)


@fault
def workspace_cap_set_and_removed(world: World, dice: Random) -> float:
    key = f"workspace:{world.workspaces[1]}"
    world.set_cap(key, 1)
    return back_to(world, key, None, dice)


@fault
def lane_cap_removed_and_set(world: World, dice: Random) -> float:
    world.set_cap(f"lane:{LANE}", None)
    return back_to(world, f"lane:{LANE}", 1 + dice.randrange(2), dice)


@fault
def caller_died_after_its_cap(world: World, dice: Random) -> None:
    """The row is written, the gate was never told."""
    key, cap = f"workspace:{world.workspaces[0]}", dice.choice([1, 1, 4])
    world.caps.may_be(key, cap)
    with world.database.transaction() as connection:
        limits.set_cap(connection, key, cap, ACTOR)
    world.caps.is_now(key, cap)


@fault
def caller_died_after_its_reservation(world: World, dice: Random) -> None:
    """A slot in the gate for a firing that is no row."""
    waiter = Waiter(uuid7(), world.workspaces[1], None, 1, 5, False, "of nobody")
    world.admission.ask(lambda gate: gate.reserve(waiter))


@fault
def caller_died_after_its_row(world: World, dice: Random) -> None:
    """A firing that is queued and was never put in line."""
    over: dict[str, Any] = {
        "id": uuid7(),
        "schedule_id": None,
        "source": "adhoc",
        "forced": False,
        "schedule_revision": None,
    }
    made = rows.ByHand(**wish(world, "quick", 1), **over)
    connection = world.database.connection()
    rows.add_by_hand(connection, made, rows.next_line_no(connection))


@fault
def schedules_paused_and_resumed(world: World, dice: Random) -> float:
    chosen = [a_schedule(world, dice) for _ in range(6)]
    for it in chosen:
        pausing.pause(world.admission, it, pausing.Pause(), ACTOR)
    return world.later(dice.uniform(1, 3), lambda: [pausing.resume(world.admission, it, ACTOR) for it in chosen])


@fault
def schedules_edited(world: World, dice: Random) -> None:
    for _ in range(5):
        values = {"prompt": f"edited {dice.random()}", "priority": dice.randrange(10)}
        schedules.edit(world.database, a_schedule(world, dice), values, ACTOR, None)


@fault
def everything_cancelled(world: World, dice: Random) -> None:
    """All that waits or runs, each twice."""
    found = world.rows("select id from firings where status in ('queued', 'running') limit 40")
    for (firing,) in found * 2:
        world.tries(lambda firing=firing: firings.cancel(world.admission, firing, ACTOR))


@fault
def run_now_storm(world: World, dice: Random) -> None:
    for _ in range(15):
        how = firings.How(forced=False, queue=False, actor=ACTOR)
        chosen = a_schedule(world, dice)
        world.tries(lambda chosen=chosen, how=how: firings.execute(world.admission, chosen, {}, how))


@fault
def forced_storm(world: World, dice: Random) -> None:
    for _ in range(4):
        kind = dice.choice(["quick", "half"])
        world.tries(lambda kind=kind: ask(world, kind, forced=True, where=dice.randrange(3)))


@fault
def reruns(world: World, dice: Random) -> None:
    how = firings.How(forced=False, queue=True, actor=ACTOR)
    for (firing,) in world.rows("select id from firings where status = 'failed' order by finished_at desc limit 4"):
        world.tries(lambda firing=firing: firings.rerun(world.admission, firing, how))


@fault
def schedule_broken(world: World, dice: Random) -> float | None:
    """A row that nobody can read, written behind everybody's back and due at once; then repaired.

    Not one that is due already: its moment would be lost by this very deed.
    """
    chosen = a_schedule(world, dice)
    written = world.write(
        "update schedules set cron = %s, next_run_at = now(), revision = revision + 1"
        " where id = %s and next_run_at > now()",
        dice.choice(["0 0 31 2 *", "nonsense", "* * * * * *", ""]),
        chosen,
    )
    return world.later(2.5, lambda: repair(world, chosen)) if written else None


def repair(world: World, schedule: UUID) -> None:
    schedules.edit(world.database, schedule, {"cron": NEVER_OF_ITSELF}, ACTOR, None)
    pausing.resume(world.admission, schedule, ACTOR)


@fault
def reaper_switched_off(world: World, dice: Random) -> float:
    write_setting(world.admission, "reaper_enabled", False, ACTOR)
    return world.later(dice.uniform(2, 4), lambda: write_setting(world.admission, "reaper_enabled", True, ACTOR))
