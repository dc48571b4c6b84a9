"""Says how the machinery is: processes and their last signs, the reaper, the reconciler, the kill switch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from console.pages import codes, words
from shared.rules.lasting import lasting, roughly
from shared.settings import Setting
from shared.store.cadence import Pass
from shared.store.processes import Process

# This many intervals without a pass, and a message or a worker was lost.
_LATE_INTERVALS = 4
_SILENT_S = 60.0
_TASKS = {"reap": "Reaper", "reconcile": "Reconciler"}
_NAMES = {
    **_TASKS,
    "retain": "Retention",
    "send_alert": "Alerts",
    "sweep_phantom_busy": "Phantom-busy",
    "tally": "Budgets",
    "wake_workspaces": "Wake-up",
}
_NOTHING = {"reap": "nobody reaped", "reconcile": "no drift"}


@dataclass(frozen=True)
class Alarm:
    """Something that an operator must see."""

    level: Literal["danger", "warning"]
    text: str


@dataclass(frozen=True)
class Sign:
    """A process and whether it is silent."""

    process: Process
    silent: bool
    facts: str


@dataclass(frozen=True)
class Task:
    """A maintenance task: its last pass, how it ended, what it counted."""

    name: str
    ran_at: datetime | None
    outcome: str
    wrong: bool
    counts: str


@dataclass(frozen=True)
class Upkeep:
    """Processes, tasks, alarms, and how many firings the living workers can run at once."""

    signs: list[Sign]
    tasks: list[Task]
    alarms: list[Alarm]
    capacity: int
    reaper_enabled: bool


def upkeep(
    processes: Sequence[Process], passes: Sequence[Pass], settings: Mapping[str, Setting], now: datetime
) -> Upkeep:
    """What the rows of processes, passes and settings say."""
    most_s = max(_SILENT_S, settings["lease_seconds"].value)
    signs = [Sign(it, it.age_s > most_s, _facts(it)) for it in processes]
    every = {
        "reap": settings["reap_every_s"].value,
        "reconcile": settings["reconcile_every_s"].value,
    }
    last = {it.name.rpartition(".")[2]: it for it in passes}
    tasks = [_task(name, last.get(name), every.get(name), now) for name in {**_TASKS, **last}]
    switch = settings["reaper_enabled"]
    alarms = [*_switched_off(switch), *_missing(signs), *_wrong(tasks)]
    capacity = sum(it.process.capacity for it in signs if it.process.kind == "worker" and not it.silent)
    return Upkeep(signs, tasks, alarms, capacity, bool(switch.value))


def _facts(it: Process) -> str:
    told = [words.counted(it.capacity, "process", "processes")] if it.capacity else []
    lag = it.facts.get("lag_ms")
    if isinstance(lag, int | float):
        told.append(f"keeper lag {lag:.0f} ms")
    return ", ".join(told)


def _task(name: str, last: Pass | None, every_s: float | None, now: datetime) -> Task:
    shown = _NAMES.get(name, name.replace("_", " "))
    if last is None:
        return Task(shown, None, "has not run yet", wrong=False, counts="–")
    counted = [f"{codes.verdict(key)} {value}" for key, value in sorted(last.counts.items()) if value]
    counts = ", ".join(counted) or _NOTHING.get(name, "–")
    late = every_s is not None and (now - last.ran_at).total_seconds() > _LATE_INTERVALS * every_s + 1
    outcome = {"disabled": "switched off"}.get(last.outcome or "", last.outcome or "under way")
    if late:
        outcome = f"late: expected every {lasting(every_s or 0)}; last: {outcome}"
    return Task(shown, last.ran_at, outcome, late or outcome not in ("ok", "under way", "switched off"), counts)


def _switched_off(switch: Setting) -> list[Alarm]:
    if switch.value:
        return []
    where = {"environment": "the environment", "table": "the settings"}.get(switch.source, switch.source)
    told = f"The reaper is switched off (reaper_enabled is false, from {where})."
    return [Alarm("danger", f"{told} Nothing ends what lost workers leave behind; their slots stay taken.")]


def _missing(signs: Sequence[Sign]) -> list[Alarm]:
    found: list[Alarm] = []
    for kind, what_follows in (("worker", "nothing starts"), ("beat", "no schedule becomes due")):
        of_kind = [it for it in signs if it.process.kind == kind]
        silent = [f"{it.process.id} for {roughly(it.process.age_s)}" for it in of_kind if it.silent]
        if len(silent) == len(of_kind):
            found.append(Alarm("danger", f"No {kind} gives a sign: {what_follows}."))
        elif silent:
            found.append(Alarm("warning", f"No sign of {kind} {', '.join(silent)}."))
    return found


def _wrong(tasks: Sequence[Task]) -> list[Alarm]:
    return [Alarm("warning", f"{it.name}: {it.outcome}.") for it in tasks if it.wrong]
