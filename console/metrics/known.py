"""Every metric: its name, type, labels and meaning, as docs/metrics.md has them."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Metric:
    """One family; a counter's samples are named with `_total` after it."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As queries name it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"slotbeat_{name}", "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"slotbeat_{name}", "gauge", meaning, labels)


def _histogram(name: str, meaning: str) -> Metric:
    return Metric(f"slotbeat_{name}", "histogram", meaning)


# From rows that stay counted when they are deleted.
FIRINGS = _counter("firings", "firings that ended", "outcome", "reason")
SKIPS = _counter("skips", "occurrences that made no firing", "reason")
TURNS = _counter("turns", "turns that ended firings took")
TOKENS = _counter("tokens", "tokens that ended firings used", "kind")
COST = _counter("cost_usd", "what ended firings cost, in US dollars")
SLOT_WAIT = _histogram("slot_wait_seconds", "time in line of the firings that got a slot, and have ended")
DURATION = _histogram("duration_seconds", "time from the claim to the end, of the last attempt of ended firings")
LAG = _histogram("lag_seconds", "time from the occurrence to the start, of scheduled firings that have ended")
# From what maintenance tasks have counted.
REAPED = _counter("reaped", "attempts that the reaper ended", "verdict")
HEALED = _counter("healed", "differences between the gate and the rows that the reconciler healed", "kind")
DRIFTED = _counter("drifted", "differences that outlived a pass of the reconciler")
DRIFT = _gauge("drift", "differences that outlived the last pass of the reconciler")
DELETED = _counter("deleted", "rows that were deleted for their age", "kind")
TASK_RAN = _gauge("maintenance_last_run_timestamp_seconds", "when a maintenance task last ran, also in vain", "task")
TASK_FAILED = _gauge("maintenance_last_run_failed", "1 when that run failed", "task")
REAPER_OFF = _gauge("reaper_disabled", "1 when the reaper's last sweep found it switched off")
REAPED_AT = _gauge("last_reaped_timestamp_seconds", "when an attempt was last reaped")
# Of this moment.
CAP = _gauge("limit_cap", "cap of a limit", "limit")
USED = _gauge("limit_used", "slots of a limit that running firings hold", "limit")
WAITING = _gauge("limit_waiting", "firings in line before a limit", "limit")
LEFT_OUT = _gauge("limits_left_out", "limits that are not told, for there are too many")
EPOCH = _gauge("gate_epoch", "which rebuild the gate is of, as Postgres has it; each loss of the gate raises it")
RESERVED = _gauge("reserved", "slots that are promised to firings whose message is on its way")
PROCESSES = _gauge("free_processes", "worker processes for firings, of workers that live in the gate")
RUNNING = _gauge("running", "firings that run")
PAUSED = _gauge("fleet_paused", "1 while the whole fleet is paused")
CLASSES = _gauge("failure_classes_tripped", "classes of failures that hold firings")
STREAMS = _gauge("interactive_streams", "interactive streams that are active")
ALERTS = _gauge("alerts_waiting", "alerts that are to be sent, where a worker ever had addresses")
# Of the processes.
BEATS = _gauge("beats", "beats that gave a sign lately")
BEAT_TICK = _gauge("beat_last_tick_timestamp_seconds", "when any beat last gave its sign, which follows a tick")
BEAT_LATE = _gauge("beat_late_seconds", "the longer of: since the last sign of a beat, since the longest due is due")
WORKERS = _gauge("workers", "workers that renewed within a lease")
RENEWED = _gauge("worker_last_renewal_timestamp_seconds", "when a worker last renewed", "worker")
CAPACITY = _gauge("worker_capacity", "firings that a worker may execute at once", "worker")
LEASES = _gauge("worker_leases", "payloads that run in a worker", "worker")
CLOCK = _gauge("worker_clock_ahead_seconds", "how far the clock of a worker's host is ahead of Postgres's", "worker")
KEEPER_LAG = _gauge("worker_lag_seconds", "how late the keeper of a worker comes round, its worst of late", "worker")
REACHABLE = _gauge("reachable", "1 when the server answered", "server")

ALL = tuple(it for it in list(globals().values()) if isinstance(it, Metric))
