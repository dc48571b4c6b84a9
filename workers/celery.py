"""The Celery app that `celery -A workers worker` finds: queues, who works, how much at once."""

import gc
from contextlib import suppress
from typing import Any

from billiard import pool
from celery import signals

from shared.celery_app import app_for_commands
from shared.store.connection import AWAY
from workers import aside, bootsteps, refused, sieve, station, traces
from workers.identity import this_worker
from workers.pubsub import bound_reads

sieve.use()
app = app_for_commands("slotbeat.workers")
app.conf.imports = ("workers.tasks", "workers.control")
app.conf.broker_transport_options["queue_order_strategy"] = "workers.room:RoomCycle"
app.conf.worker_consumer = "workers.reconnect:Consumer"
app.conf.beat_scheduler = "workers.refused:NoBeat"
bootsteps.install(app)
bound_reads()
# A pool child that has ended waits up to 30 s for its last answer to be read by a main process that has stopped
# reading. Nobody needs the answer: what a firing came to is in Postgres.
pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10  # of 0.1 s each


@signals.celeryd_init.connect(weak=False)
def _on_init(sender: str | None = None, options: dict[str, Any] | None = None, **_: Any) -> None:
    refused.refuse(options or {})
    # In the main process, before the pool is forked: the children inherit who they work for.
    station.be(this_worker(sender))


@signals.celeryd_after_setup.connect(weak=False)
def _on_setup(instance: Any = None, **_: Any) -> None:
    bootsteps.refuse_too_small(instance)
    # The pool is forked next. What is loaded by now stays for good: a collector that went through it would only write
    # to each of its pages, and give each child its own copy of them.
    gc.collect()
    gc.freeze()


@signals.worker_process_init.connect(weak=False)
def _on_child(**_: Any) -> None:
    # Connections and a spare guard before the first firing; with it, if Postgres is away for now.
    with suppress(*AWAY):
        station.station(app).guards.prepare()


@signals.worker_process_shutdown.connect(weak=False)
def _on_child_end(**_: Any) -> None:
    aside.end()
    traces.close()
    station.close()
