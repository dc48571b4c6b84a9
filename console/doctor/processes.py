"""The fleet: who works, who sends, who keeps house, and whether it is enough."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from console.doctor.finding import Finding, fail, ok, warn
from console.doctor.here import on_this_host
from console.doctor.patient import Patient
from shared.celery_app import FIRINGS, MAINTENANCE, REAP, RECONCILE
from shared.store import cadence, invariants, limits, roles, server
from shared.store.processes import Process
from shared.timetable import timetable

WAITS_AT_MOST_S = 15.0
_MISSED_PASSES = 3
_LOOP_SILENT_S = 10
_WORKER = "slotbeat worker"


def workers(patient: Patient) -> Iterator[Finding]:
    """Some live, none went silent, and together they can fill the fleet's cap."""
    alive = patient.workers
    for it in patient.processes:
        if it.kind == "worker" and it not in alive:
            yield _silent(it)
    for it in alive:
        if (silent_s := float(it.facts.get("loop_silent_s", 0))) >= _LOOP_SILENT_S:
            words = f"{it.node} fetches nothing: its main loop stands still for {silent_s:.0f} s"
            yield warn("workers", words, f"kill -9 {it.pid}  # it ends itself soon, and is started again")
    if not alive:
        yield fail("workers", "none lives: nothing starts, nothing is reaped", _WORKER)
        return
    cap, capacity = limits.caps(patient.connection)[limits.FLEET], sum(it.capacity for it in alive)
    if capacity < cap:
        words = f"{len(alive)} with {capacity} processes for firings cannot fill the fleet's cap of {cap}"
        more = f"{_WORKER} --concurrency {cap - capacity + 1}  # one process is for maintenance"
        yield warn("workers", words, more, f"slotbeat limit set fleet {capacity}")
    else:
        yield ok("workers", f"{len(alive)} with {capacity} processes for firings, cap {cap}")


def _silent(it: Process) -> Finding:
    words = f"{it.node} (pid {it.pid}) gave no sign for {it.age_s:.0f} s"
    match on_this_host(it):
        case "stopped":
            return warn("workers", f"{words}: somebody stopped its process", f"kill -CONT {it.pid}")
        case "there":
            remedy = f"kill -9 {it.pid}  # guards end what it runs, and its supervisor starts another"
            return warn("workers", f"{words}, and its process is still there", remedy)
        case _:
            return warn("workers", words, _WORKER)


def queues(patient: Patient) -> Iterator[Finding]:
    """Each queue is served by some worker."""
    if not patient.workers:
        return
    served = set[str]().union(*patient.queues.values())
    unserved = [it for it in (FIRINGS, MAINTENANCE) if it not in served]
    for queue in unserved:
        yield fail("queues", f"no worker that answers serves {queue}", f"{_WORKER} -Q {queue}")
    if not unserved:
        yield ok("queues", f"{FIRINGS} and {MAINTENANCE} are served")


def beat(patient: Patient) -> Iterator[Finding]:
    """Somebody makes firings of what is due, and sends the maintenance tasks."""
    if patient.beats:
        yield ok("beat", f"{len(patient.beats)} alive")
    else:
        yield fail("beat", "none lives: nothing becomes due, no maintenance is sent", "slotbeat beat")


def reaper(patient: Patient) -> Iterator[Finding]:
    """Lost workers are noticed."""
    if not patient.settings.reaper_enabled:
        source = "SLOTBEAT_REAPER_ENABLED" in patient.environ
        remedy = "unset SLOTBEAT_REAPER_ENABLED" if source else "slotbeat settings reaper_enabled true"
        yield warn("reaper", "it is switched off: a lost worker's firings keep their slots", remedy)
    else:
        yield from _pass(patient, "reaper", REAP, patient.settings.reap_every_s)


def reconciler(patient: Patient) -> Iterator[Finding]:
    """What Redis forgets, or Postgres did not hear of, is put right."""
    yield from _pass(patient, "reconciler", RECONCILE, patient.settings.reconcile_every_s)


def upkeep(patient: Patient) -> Iterator[Finding]:
    """The smaller maintenance tasks run too: each by itself is missed late."""
    times = {task: every_s for task, every_s in timetable(patient.settings).items() if task not in (REAP, RECONCILE)}
    found = [it for task, every_s in times.items() for it in _pass(patient, "upkeep", task, every_s)]
    wrong = [
        replace(it, words=f"{task}: {it.words}") for task, it in zip(times, found, strict=True) if it.level != "ok"
    ]
    yield from wrong or [ok("upkeep", f"{len(times)} smaller tasks run as they should")]


def _pass(patient: Patient, check: str, task: str, every_s: float) -> Iterator[Finding]:
    last = {it.name: it for it in cadence.passes(patient.connection)}.get(task)
    remedies = ("slotbeat beat  # sends it", "slotbeat worker -Q maintenance  # runs it")
    if last is None:
        yield fail(check, "never ran", *remedies)
        return
    age = server.look(patient.connection).now - last.ran_at
    if age > timedelta(seconds=max(_MISSED_PASSES * every_s, every_s + WAITS_AT_MOST_S)):
        yield fail(
            check, f"its last pass began {age.total_seconds():.0f} s ago, it is due every {every_s:g} s", *remedies
        )
    elif last.outcome == "failed":
        look = f"grep -F .failed {patient.log('worker*.log')}  # of each worker: what failed and why"
        yield fail(check, "its last pass failed", look)
    elif last.outcome == "disabled":
        yield warn(check, "its last pass found it switched off", "slotbeat settings reaper_enabled true")
    else:
        yield ok(check, f"its last pass began {age.total_seconds():.0f} s ago")


def line(patient: Patient) -> Iterator[Finding]:
    """Nobody waits where there is room (invariant 7)."""
    free = sum(it.capacity - int(it.facts.get("leases", 0)) for it in patient.workers)
    waiting: set[tuple[str, str]] = set()
    if free > 0:
        waiting = patient.lasting(lambda: _waiting(patient))
    for name, title in sorted(waiting):
        remedies = (
            f"slotbeat firing show {name}",
            "slotbeat worker -Q maintenance  # whose reconciler offers it again",
        )
        yield fail("line", f"{title} waits for over {WAITS_AT_MOST_S:.0f} s although there is room", *remedies)
    if not waiting:
        yield ok("line", "nobody waits where there is room" if free > 0 else "every process for firings is taken")


def _waiting(patient: Patient) -> set[tuple[str, str]]:
    found = invariants.waiting_with_room(patient.connection, WAITS_AT_MOST_S)
    return {(str(it.id), it.title) for it in found}


def allowed(patient: Patient) -> Iterator[Finding]:
    """Workers that stand for others, on hosts of their own, run what they were told that they may (SEC-3)."""
    elsewhere = any(not it.local for it in roles.users(patient.connection))
    free = [(it.node, kind) for it in patient.workers for kind in it.facts.get("allows_any", [])]
    for node, kind in free if elsewhere else []:
        remedy = f"export SLOTBEAT_ALLOWED_{kind.upper()}=  # there: names or patterns, see docs/targets.md"
        yield warn("allowed", f"{node} runs whatever {kind} a schedule names", remedy)
    if patient.workers and not (elsewhere and free):
        yield ok("allowed", "as told" if not free else "anything, on this machine")


def guards(patient: Patient) -> Iterator[Finding]:
    """Payloads end with all that they started."""
    weak = sorted({it.node for it in patient.workers if it.facts.get("ends_by") == "process group"})
    for node in weak:
        words = f"{node} runs where a payload's daemons can outlive it (no subreaper)"
        yield warn("guards", words, "docker compose up worker  # or another Linux")
    if patient.workers and not weak:
        yield ok("guards", "every payload ends with all that it started")
