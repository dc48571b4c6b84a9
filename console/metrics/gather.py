"""The metrics as they stand: one look at the rows and one at the gate."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from psycopg import Error
from redis.exceptions import RedisError

from console.metrics import known
from console.metrics.known import Metric
from shared import settings as knobs
from shared.admission import Admission
from shared.answers import Usage
from shared.celery_app import REAP, RECONCILE, RETAIN
from shared.pressure import Pressure
from shared.store import cadence, gauges, limits, processes, silence, tallies
from shared.store import settings as settings_table
from shared.store.connection import Postgres

# Series of one kind: more limits or workers than that are for a system that is looked at in another way.
MOST_SERIES = 200
BEAT_SIGNS_WITHIN_S = 15.0
# The verdicts by which an attempt lost its worker.
LOST = ("worker_lost", "requeued")

Sample = tuple[Metric, tuple[str, ...], float]
Histogram = tuple[Metric, dict[str, float], float]

_AWAY: Sample = (known.REACHABLE, ("postgres",), 0)


class Gathered(Collector):
    """One look, as Prometheus's own library wants it: families with their samples."""

    def __init__(self, admission: Admission, pressure: Pressure) -> None:
        self._admission, self._pressure = admission, pressure

    def collect(self) -> Iterator[Family]:
        """Every family that can be told now; a server that is away is told as such, and what it knows is left out."""
        samples, histograms = list[Sample](), list[Histogram]()
        try:
            connection = self._admission.database.connection()
            counted = tallies.counted(connection)
            rows = [*_counters(counted), *_from_rows(connection)]
            samples += [*rows, (known.REACHABLE, ("postgres",), 1)]
            histograms += _histograms(counted)
        except Error:
            samples.append(_AWAY)
        samples += self._from_gate()
        yield from _families(samples)
        yield from (_histogram(*it) for it in histograms)

    def _from_gate(self) -> Iterator[Sample]:
        try:
            usage: Usage = self._admission.ask(lambda gate: gate.usage())
            streams = len(self._pressure.listing())
        except (RedisError, OSError, Error):
            yield known.REACHABLE, ("redis",), 0
            return
        yield known.REACHABLE, ("redis",), 1
        yield known.RESERVED, (), usage.reserved
        yield known.PROCESSES, (), usage.processes
        yield known.STREAMS, (), streams
        for it in _first(usage.limits, lambda it: it.limit):
            yield known.WAITING, (it.limit,), it.waiting


class PostgresAway(Collector):
    """What whoever asks is told while nobody can be recognised, which takes Postgres; /readyz tells as much."""

    def collect(self) -> Iterator[Family]:
        """One sample, by which the right alert is raised."""
        yield from _families([_AWAY])


def registry(collector: Collector) -> CollectorRegistry:
    """To be exposed from."""
    made = CollectorRegistry(auto_describe=False)
    made.register(collector)
    return made


def _from_rows(connection: Postgres) -> Iterator[Sample]:
    yield from _upkeep(cadence.passes(connection))
    yield from _limits(limits.listing(connection))
    settings = knobs.read(table=settings_table.load(connection))
    yield from _fleet(processes.listing(connection), settings.lease_seconds)
    now = gauges.moment(connection)
    yield known.RUNNING, (), now.running
    yield known.PAUSED, (), now.paused
    yield known.EPOCH, (), now.gate_epoch
    yield known.CLASSES, (), now.classes_tripped
    yield known.ALERTS, (), now.alerts_waiting
    if now.last_reaped is not None:
        yield known.REAPED_AT, (), now.last_reaped
    late_s = silence.beat_late_s(connection)
    if late_s is not None:
        yield known.BEAT_LATE, (), max(0.0, late_s)


def _first(found: Sequence[Any], name: Callable[[Any], str]) -> list[Any]:
    """So many of them, always the same ones, the fleet's first."""
    return sorted(found, key=lambda it: (name(it) != limits.FLEET, name(it)))[:MOST_SERIES]


def _counters(counted: Sequence[tallies.Counted]) -> Iterator[Sample]:
    for it in counted:
        match it.name:
            case "firings":
                outcome, _, reason = it.label.partition("/")
                yield known.FIRINGS, (outcome, reason), it.value
            case "skips":
                yield known.SKIPS, (it.label,), it.value
            case "turns":
                yield known.TURNS, (), it.value
            case "tokens":
                yield known.TOKENS, (it.label,), it.value
            case "cost":
                yield known.COST, (), it.value
            case _:
                pass


def _histograms(counted: Sequence[tallies.Counted]) -> Iterator[Histogram]:
    for metric, name in ((known.SLOT_WAIT, "slot_wait"), (known.DURATION, "duration"), (known.LAG, "lag")):
        buckets = {it.label: it.value for it in counted if it.name == name}
        yield metric, buckets, sum(it.value for it in counted if it.name == f"{name}_sum")


def _upkeep(passes: Sequence[cadence.Pass]) -> Iterator[Sample]:
    for it in passes:
        yield known.TASK_RAN, (it.name,), it.ran_at.timestamp()
        yield known.TASK_FAILED, (it.name,), it.outcome == "failed"
        if it.name == REAP:
            yield known.REAPER_OFF, (), it.outcome == "disabled"
            # Prometheus sees no increase in a series that begins with what it counts.
            yield from ((known.REAPED, (lost,), 0) for lost in LOST if f"{lost}_total" not in it.counts)
        if it.name == RECONCILE:
            yield known.DRIFT, (), it.counts.get("drift", 0)
        for key, count in it.counts.items():
            kind = key.removesuffix("_total")
            if kind != key:
                yield from _total(it.name, kind, count)


def _total(task: str, kind: str, count: float) -> Iterator[Sample]:
    if task == REAP:
        yield known.REAPED, (kind,), count
    elif task == RETAIN:
        yield known.DELETED, (kind,), count
    elif task == RECONCILE and kind == "drift":
        yield known.DRIFTED, (), count
    elif task == RECONCILE:
        yield known.HEALED, (kind,), count


def _limits(found: Sequence[limits.Limit]) -> Iterator[Sample]:
    for it in _first(found, lambda it: it.key):
        yield known.CAP, (it.key,), it.cap
        yield known.USED, (it.key,), it.held
    yield known.LEFT_OUT, (), max(0, len(found) - MOST_SERIES)


def _fleet(found: Sequence[processes.Process], lease_s: float) -> Iterator[Sample]:
    beats = [it for it in found if it.kind == "beat"]
    workers = [it for it in found if it.kind == "worker"]
    yield known.BEATS, (), sum(it.age_s < BEAT_SIGNS_WITHIN_S for it in beats)
    yield known.WORKERS, (), sum(it.age_s < lease_s for it in workers)
    if beats:
        yield known.BEAT_TICK, (), max(it.seen_at for it in beats).timestamp()
    # Of two of one name, as after a restart, the newer one counts.
    newest = {it.node: it for it in sorted(workers, key=lambda it: it.seen_at)}
    for it in _first(list(newest.values()), lambda it: it.node):
        yield known.RENEWED, (it.node,), it.seen_at.timestamp()
        yield known.CAPACITY, (it.node,), it.capacity
        yield known.LEASES, (it.node,), float(it.facts.get("leases", 0))
        yield known.KEEPER_LAG, (it.node,), float(it.facts.get("lag_ms", 0)) / 1000
        if it.clock_ahead_s is not None:
            yield known.CLOCK, (it.node,), it.clock_ahead_s


# As Prometheus has it ------------------------------------------------------------------------------


def _families(samples: Sequence[Sample]) -> Iterator[Family]:
    for metric in known.ALL:
        if metric.kind == "histogram":
            continue
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = kind(metric.name, metric.meaning, labels=metric.labels)
        for its, labels, value in samples:
            if its is metric:
                family.add_metric(labels, float(value))
        yield family


def _histogram(metric: Metric, buckets: dict[str, float], total: float) -> Family:
    names = ["+Inf" if it == float("inf") else f"{it:g}" for it in tallies.BUCKETS]
    sums = accumulate(buckets.get(name, 0.0) for name in names)
    bounds = [floatToGoString(it) for it in tallies.BUCKETS]
    return HistogramMetricFamily(
        metric.name, metric.meaning, buckets=list(zip(bounds, sums, strict=True)), sum_value=total
    )
