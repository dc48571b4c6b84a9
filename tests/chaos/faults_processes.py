"""Faults of processes: killed, stopped and continued, deployed, left behind."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from random import Random
from signal import SIGKILL, SIGTERM
from typing import Any

from shared.clock import boottime
from shared.settings import read
from tests.chaos.faults import fault
from tests.chaos.load import WITNESS
from tests.chaos.members import Member, signal_to
from tests.chaos.world import Frozen, World
from tests.proc import Process, descendants

SHORT_S = (0.2, 0.6)
# Longer than a lease, its grace and two sweeps.
LONG_S = (3.0, 5.0)


def one_of(dice: Random, found: list[Process]) -> list[Process]:
    return [dice.choice(found)] if found else []


def busiest(dice: Random, members: list[Member]) -> Member:
    """One that has payloads, if there is one."""
    return dice.choice([it for it in members if it.payloads()] or members)


@fault
def worker_killed(world: World, dice: Random) -> None:
    busiest(dice, world.workers).send(SIGKILL)


@fault
def every_worker_killed(world: World, dice: Random) -> None:
    for it in world.workers:
        it.send(SIGKILL)


@fault
def child_killed(world: World, dice: Random) -> None:
    for it in one_of(dice, busiest(dice, world.workers).children()):
        signal_to(it.pid, SIGKILL)


@fault
def guard_killed(world: World, dice: Random) -> None:
    for it in one_of(dice, busiest(dice, world.workers).guards()):
        signal_to(it.pid, SIGKILL)


@fault
def idle_guard_killed(world: World, dice: Random) -> None:
    for it in one_of(dice, dice.choice(world.workers).guards(busy=False)):
        signal_to(it.pid, SIGKILL)


@fault
def payload_killed(world: World, dice: Random) -> None:
    for it in one_of(dice, busiest(dice, world.workers).payloads()):
        signal_to(it.pid, SIGKILL)


@fault
def beat_killed(world: World, dice: Random) -> None:
    dice.choice(world.beats).send(SIGKILL)


@fault
def both_beats_killed(world: World, dice: Random) -> None:
    for it in world.beats:
        it.send(SIGKILL)


@fault
def worker_stopped_briefly(world: World, dice: Random) -> float:
    return world.freeze([busiest(dice, world.workers).pid], dice.uniform(*SHORT_S))


@fault
def worker_stopped(world: World, dice: Random) -> float:
    return world.freeze([busiest(dice, world.workers).pid], dice.uniform(*LONG_S))


@fault
def worker_and_children_stopped(world: World, dice: Random) -> float:
    """All but its guards, who must do what their worker cannot."""
    chosen = busiest(dice, world.workers)
    return world.freeze([chosen.pid, *(it.pid for it in chosen.children())], dice.uniform(*LONG_S))


@fault
def machine_paused(world: World, dice: Random) -> float:
    """A whole worker with guards and payloads, as a hypervisor would; nobody can end those meanwhile.

    In rounds until nobody new appears: what forked between the look and the stop would work on without a guard.
    """
    chosen = busiest(dice, world.workers)
    since, pids = boottime(), [chosen.pid]
    chosen.send(signal.SIGSTOP)
    while new := [it.pid for it in chosen.below() if it.pid not in pids]:
        for pid in new:
            signal_to(pid, signal.SIGSTOP)
        pids += new
    until = world.freeze(pids, dice.uniform(*LONG_S))
    world.frozen.append(Frozen(frozenset(pids), since, until))
    return until


@fault
def child_stopped(world: World, dice: Random) -> float:
    found = one_of(dice, busiest(dice, world.workers).children())
    return world.freeze([it.pid for it in found], dice.uniform(*LONG_S))


@fault
def guard_stopped(world: World, dice: Random) -> float:
    """The keeper must find it silent, and end its payload."""
    found = one_of(dice, busiest(dice, world.workers).guards())
    return world.freeze([it.pid for it in found], dice.uniform(*LONG_S))


@fault
def payload_stopped(world: World, dice: Random) -> float:
    found = one_of(dice, busiest(dice, world.workers).payloads())
    return world.freeze([it.pid for it in found], dice.uniform(*SHORT_S))


@fault
def beat_stopped(world: World, dice: Random) -> float:
    return world.freeze([dice.choice(world.beats).pid], dice.uniform(*LONG_S))


@fault
def worker_deployed(world: World, dice: Random) -> None:
    busiest(dice, world.workers).send(SIGTERM)


@fault
def every_worker_deployed(world: World, dice: Random) -> None:
    for it in world.workers:
        it.send(SIGTERM)


@fault
def beat_deployed(world: World, dice: Random) -> None:
    dice.choice(world.beats).send(SIGTERM)


@fault
def stray_left(world: World, dice: Random) -> None:
    """A payload without a guard, as a crash of everything above it would leave it; the next worker ends it."""
    token, firing = "0", "00000000-0000-0000-0000-000000000000"
    mark = {"SLOTBEAT_INSTALLATION": str(world.installation), "SLOTBEAT_TOKEN": token, "SLOTBEAT_FIRING_ID": firing}
    subprocess.Popen(
        [sys.executable, "-I", "-S", str(WITNESS), os.devnull, "deaf"],
        env=mark,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    dice.choice(world.workers).send(SIGKILL)


@fault
def machine_lost(world: World, dice: Random) -> float:
    """A worker with all that is below it, at once."""
    chosen = busiest(dice, world.workers)
    chosen.send(signal.SIGSTOP)  # else its parts would see each other die
    for it in chosen.below():
        signal_to(it.pid, SIGKILL)
    chosen.send(SIGKILL)
    return boottime() + read().lease_seconds


@fault
def main_loop_stopped(world: World, dice: Random) -> float:
    """A worker that renews its leases and fetches nothing; it must end itself."""
    chosen = dice.choice(world.workers)
    world.admission.app.control.broadcast("stop_turning", destination=[f"{chosen.name}@chaos"])
    return boottime() + 2 * read().loop_silent_s


@fault
def clocks_jumped(world: World, dice: Random) -> float:
    """The wall clocks of all workers and beats at once, by an hour, a day, or a second; then back."""
    world.clock.write_text(str(dice.choice([3600, -3600, 86400, -86400, 1, -1])))
    return world.later(dice.uniform(*LONG_S), lambda: world.clock.write_text("0"))


@fault
def disk_full_for_logs(world: World, dice: Random) -> float:
    """No file of a worker, of its children, guards and payloads may grow."""
    chosen = busiest(dice, world.workers)
    limit_files(chosen.pid, "1")
    return world.later(dice.uniform(*LONG_S), lambda: limit_files(chosen.pid, "unlimited"))


def limit_files(root: int, longest: str) -> None:
    """Sets how long a file may become that a process writes, or one below it: with 1, every write fails, as on a full
    disk.

    Whoever is forked meanwhile has what its parent had: so the root goes first, and it is looked for more until there
    are none.
    """
    limited: set[int] = set()
    new = {root}
    while new:
        for pid in new:
            limit_files_of(pid, longest)
        limited |= new
        new = {it.pid for it in descendants(root)} - limited


def limit_files_of(pid: int, longest: str) -> None:
    """As its own user, who may always do that: root in a container may not, for somebody else's process."""
    with suppress(FileNotFoundError):
        owner = os.stat(f"/proc/{pid}")
        asked = ["prlimit", "--pid", str(pid), f"--fsize={longest}:"]
        whose: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        subprocess.run(asked, check=False, stderr=subprocess.DEVNULL, **(whose if os.geteuid() == 0 else {}))
