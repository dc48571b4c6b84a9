"""The Celery app that `celery -A beat beat` finds."""

import gc
from typing import Any

from celery import signals

from shared.celery_app import app_for_commands

SCHEDULER = "beat.scheduler:Scheduler"

app = app_for_commands("slotbeat.beat")
app.conf.beat_scheduler = SCHEDULER
app.conf.beat_max_loop_interval = 1


@signals.celeryd_init.connect(weak=False)
def _on_worker(instance: Any = None, **_: Any) -> None:
    # It would take firings and maintenance from the queues, know none of these tasks, and throw the messages away.
    if instance.app is app:
        raise SystemExit("Workers are an app of their own: `celery -A workers worker`, or `slotbeat worker`.")


@signals.beat_init.connect(weak=False)
def _on_beat(sender: Any = None, **_: Any) -> None:
    if sender.app is app and sender.scheduler_cls != SCHEDULER:
        raise SystemExit("Schedules are rows of Postgres, which no other --scheduler reads. Leave it out.")
    # What is loaded by now stays for good: a collector that goes through all of it holds up a tick of thousands.
    gc.collect()
    gc.freeze()
