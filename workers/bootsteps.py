"""What a worker starts beside Celery's own parts: the keeper, and the count of its room."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery import Celery, bootsteps, signals
from celery.worker import state

from shared import pulse
from shared.celery_app import FIRINGS, MAINTENANCE
from shared.events import event, trouble
from shared.redis_modes import cluster_refused
from shared.settings import addresses
from shared.store.connection import AWAY
from workers import room, sieve, station
from workers.beat_watch import BeatWatch
from workers.keeper import Keeper
from workers.reaper import reap_former_self
from workers.strays import end_strays
from workers.watch import TURNS_EVERY_S, Watch

_Told = TypeVar("_Told")

# How often a worker looks for a Postgres that is away when it starts.
LOOK_AGAIN_S = 1.0
# One process for a firing, one for maintenance.
SMALLEST = 2


class Keeping(bootsteps.StartStopStep):
    """Runs the keeper in Celery's main process, from before the first message to after the last payload.

    Celery stops its steps in reverse, this one before the pool; the keeper must outlast the pool, whose
    payloads need their leases to the end. So it stops with the signal that comes last.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.keeper: Keeper | None = None
        self.watch: Watch | None = None
        self.beat_watch: BeatWatch | None = None

    def start(self, parent: Any) -> None:
        """Celery's hook: the pool has been forked, no message has been fetched."""
        worker = parent
        queues = set(worker.app.amqp.queues.consume_from)
        if (why := cluster_refused(addresses())) is not None:
            raise SystemExit(why)
        sieve.contain(worker)
        own = _once_there(lambda: station.station(worker.app))
        ended = end_strays(str(own.installation))
        reaped = _once_there(lambda: reap_former_self(own))
        if ended or reaped:
            event("former_self.ended", strays=ended, attempts=reaped)
        _once_there(lambda: own.admission.write_own_cap(own.settings, own.worker.node))
        own.database.close()  # the keeper's thread has its own connection, and so has each child
        keeper = self.keeper = Keeper(own, lambda: capacity(queues, worker))
        room.use(room.Room(lambda: capacity(queues, worker), keeper.may_claim))
        keeper.start()
        self.watch = Watch(own, keeper)
        self.watch.start()
        self.beat_watch = BeatWatch(own)
        self.beat_watch.start()
        signals.worker_shutting_down.connect(self._closing, weak=False)
        signals.worker_shutdown.connect(self._ended, weak=False)

    def register_with_event_loop(self, parent: Any, hub: Any) -> None:
        """Celery's hook: the parent's loop is about to turn, its first one or one on a new connection."""
        del parent
        if self.watch is not None:
            self.watch.turned()
            hub.call_repeatedly(TURNS_EVERY_S, self.watch.turned)

    def close(self, parent: Any) -> None:
        """Celery's hook: the worker begins to stop, also without a signal, as when remote control asks for it."""
        del parent
        self._closing()

    def _closing(self, **_: Any) -> None:
        # In a signal handler: nothing here may wait.
        if self.watch is not None:
            self.watch.stop()
        if self.beat_watch is not None:
            self.beat_watch.stop()
        if self.keeper is not None:
            self.keeper.close_shop()

    def _ended(self, **_: Any) -> None:
        if self.keeper is not None:
            self.keeper.stop()
            self.keeper = None
        room.use(None)
        station.close()


def _once_there(deed: Callable[[], _Told]) -> _Told:
    """What it comes to, once Postgres is there: who is started before waits, as Celery does for its broker."""
    while True:
        try:
            return deed()
        except AWAY as error:
            trouble("worker.waits", error)
        pulse.touch()
        time.sleep(LOOK_AGAIN_S)
        state.maybe_shutdown()


def capacity(queues: set[str], worker: Any) -> int:
    """How many firings this worker may execute at once.

    One that serves maintenance too keeps a process for it: firings of twenty minutes must not starve the
    reaper.
    """
    if FIRINGS not in queues:
        return 0
    processes = getattr(worker.pool, "num_processes", 1)
    return processes - 1 if MAINTENANCE in queues else processes


def refuse_too_small(worker: Any) -> None:
    """Ends the program, with the remedy, when its only process would have to serve both queues."""
    queues = set(worker.app.amqp.queues.consume_from)
    if {FIRINGS, MAINTENANCE} <= queues and worker.concurrency < SMALLEST:
        raise SystemExit(
            "A worker with one process cannot serve both queues: a long firing would starve the reaper. Start it "
            "with --concurrency 2 or more, or start two, one with -Q firings and one with -Q maintenance."
        )


def keeper_of(worker: Any) -> Keeper | None:
    """The running keeper of a Celery worker, for remote control."""
    step = _keeping(worker)
    return None if step is None else step.keeper


def turned(worker: Any) -> None:
    """Tells the watch of a Celery worker that its main thread came round, outside its loop."""
    step = _keeping(worker)
    if step is not None and step.watch is not None:
        step.watch.turned()


def _keeping(worker: Any) -> Keeping | None:
    return next((it for it in getattr(worker, "steps", []) if isinstance(it, Keeping)), None)


def install(app: Celery) -> None:
    """Adds the steps to an app's workers."""
    steps: Any = app.steps
    steps["worker"].add(Keeping)
