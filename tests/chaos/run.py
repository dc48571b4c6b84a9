"""The chaos run: load, faults by plan, quiet, judgement."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Any

from console.deeds import pausing
from console.deeds.settings import write as write_setting
from shared.clock import boottime
from shared.settings import read
from tests.chaos import checks, complaints, promptness, testimony
from tests.chaos.faults import Deed, Injected, every_kind, inject, plan
from tests.chaos.faults_people import ACTOR, repair
from tests.chaos.load import FLEET_CAP, Load, furnish
from tests.chaos.members import signal_to
from tests.chaos.world import World, a_world, running, wait_until

QUIET_WITHIN_S = 60
AGREES_WITHIN_S = 15
# Under load and without a fault, before the first and after the last.
CALM_S = 5.0


@dataclass(frozen=True)
class Wish:
    """How long, which plan, and of which faults and payloads; none named: all."""

    seconds: float
    seed: int
    faults: Sequence[str] = ()
    payloads: Sequence[str] = ()


@dataclass
class Result:
    """Everything that a run came to."""

    seed: int
    injected: list[Injected]
    told: testimony.Testimony
    load: Load
    violations: dict[str, list[str]] = field(default_factory=dict)
    prompt: list[promptness.Judged] = field(default_factory=list)
    quiet_after_s: float = 0.0

    @property
    def ok(self) -> bool:
        return not any(self.violations.values())


@contextmanager
def chaos(folder: Path, wish: Wish) -> Iterator[tuple[World, Result]]:
    """A whole run; inside the block its servers still answer, for the report."""
    kinds, seed = every_kind(wish.faults), wish.seed
    with a_world(folder) as world:
        furnish(world)
        load, sampler = Load(world, f"{seed}/load", wish.payloads), promptness.Sampler(world, folder)
        with running(world) as supervisor:
            load.start()
            sampler.start()
            injected, seen, phases = under_load(world, kinds, wish)
            load.stop()
            sampler.stop()
            quiet_after_s, stuck = come_to_rest(world)
            told = testimony.read(world)
            supervisor.stop()
            unstopped = [f"{it.name} did not stop in time" for it in world.members if not it.stop()]
        result = Result(seed, injected, told, load, quiet_after_s=quiet_after_s)
        spans = [(it.since, it.until) for it in injected]
        result.prompt = promptness.judge(phases, sampler.waits, spans, sampler.pace)
        result.violations = {"while it ran": seen, **judge(world, result, [*stuck, *unstopped])}
        yield world, result


def under_load(
    world: World, kinds: Mapping[str, Deed], wish: Wish
) -> tuple[list[Injected], list[str], list[promptness.Phase]]:
    """Calm, faults, recovery, calm: what was done, what the rows broke, and which bound held when."""
    ready = boottime() + CALM_S
    time.sleep(2 * CALM_S)
    began = boottime()
    injected, seen = trouble(world, kinds, wish)
    world.calm()
    wait_until(lambda: heal(world), QUIET_WITHIN_S, every_s=0.5)
    healed = boottime()
    time.sleep(promptness.RECOVERY_BOUND_S + CALM_S)
    calm_since = healed + promptness.RECOVERY_BOUND_S
    phases = [
        promptness.Phase("calm, before any fault", ready, began, promptness.CALM_BOUND_S),
        promptness.Phase("with faults and 15 s after", began, calm_since, promptness.RECOVERY_BOUND_S),
        promptness.Phase("calm, after all of them", calm_since, boottime(), promptness.CALM_BOUND_S),
    ]
    return injected, seen, phases


def trouble(world: World, kinds: Mapping[str, Deed], wish: Wish) -> tuple[list[Injected], list[str]]:
    """Fault after fault; what was done, and what the rows broke at any of those moments."""
    injected: list[Injected] = []
    seen: list[str] = []
    until = time.monotonic() + wish.seconds
    for planned in plan(wish.seed, list(kinds)):
        time.sleep(planned.pause_s)
        if time.monotonic() > until:
            return injected, seen
        injected.append(inject(world, planned, kinds[planned.kind]))
        it = injected[-1]
        world.tries(lambda: seen.extend(checks.broken_now(world)))
        print(f"{it.since:10.1f}  {it.kind}{'' if it.done else ' (refused)'}", flush=True)
    raise AssertionError("a plan has no end")


def come_to_rest(world: World) -> tuple[float, list[str]]:
    """Nothing to do any more: how long that took, and what did not come to an end."""
    began = time.monotonic()
    # Else every minute brings something to do; what is archived runs to its end.
    wait_until(lambda: world.write("update schedules set status = 'archived' where name like 'clockwork%%'"), 60)
    stuck = [f"never ended: {it}" for it in work_off(world)]
    quiet_after_s = time.monotonic() - began
    wait_until(lambda: not checks.disagreements(world), AGREES_WITHIN_S)
    return quiet_after_s, [*stuck, *checks.disagreements(world)]


def work_off(world: World) -> list[Any]:
    """Waits until every firing has ended; what is open when none has ended for so long that it is stuck.

    Not for a fixed time: a backlog is worked off as quickly as the machine can.
    """
    open_ones = "select id, title, status, not_before from firings where finished_at is null"
    left: list[Any] = world.rows(open_ones)

    def fewer() -> bool:
        return len(world.rows(open_ones)) < len(left)

    while left and wait_until(fewer, QUIET_WITHIN_S):
        left = world.rows(open_ones)
    return left


def heal(world: World) -> bool:
    """What people broke, people mend: caps, pauses, broken rows, the reaper's switch."""
    world.set_cap("fleet", FLEET_CAP)
    if not read(table=dict(world.rows("select key, value from settings"))).reaper_enabled:
        write_setting(world.admission, "reaper_enabled", True, ACTOR)
    for (schedule,) in world.rows("select id from schedules where status = 'paused' and paused_by = %s", ACTOR):
        pausing.resume(world.admission, schedule, ACTOR)
    for (schedule,) in world.rows("select id from schedules where status = 'paused'"):
        repair(world, schedule)
    return True


def judge(world: World, result: Result, found: list[str]) -> dict[str, list[str]]:
    wait_until(lambda: not checks.marked(world), 3)
    left = checks.marked(world)
    for pid in left:
        signal_to(pid, SIGKILL)
    return {
        "lost": list(checks.lost(world, result.load)),
        "double": list(testimony.doubled(result.told)),
        "over the cap": list(testimony.over_the_cap(world, result.told)),
        "outside its attempt": list(testimony.outside_attempts(result.told)),
        "stuck": found,
        "leaked": list(left.values()),
        "rows": list(checks.broken_rows(world)),
        "unexplained errors": list(complaints.unexplained(it.log for it in world.members)),
        "late": [late for it in result.prompt for late in it.late],
    }


def any_seed() -> int:
    return random.SystemRandom().randrange(1_000_000)
