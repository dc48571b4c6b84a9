"""Every Celery task, each a few lines: decode, call one function."""

from typing import Any
from uuid import UUID

from shared.celery_app import EXECUTE, REAP, RECONCILE
from workers import execute as firing_steps
from workers import reaper, reconcile
from workers.celery import app
from workers.station import station


@app.task(name=EXECUTE, bind=True, ignore_result=True)
def execute(self: Any, firing_id: str) -> str:
    """A hint that this firing may be startable."""
    return firing_steps.execute(station(app), UUID(firing_id), self.request.id)


@app.task(name=REAP, ignore_result=True)
def reap() -> dict[str, int]:
    """Ends what outlived its leases, if it is this task's turn."""
    return reaper.sweep(station(app))


@app.task(name=RECONCILE, ignore_result=True)
def reconcile_gate() -> dict[str, int]:
    """Holds Redis against Postgres, if it is this task's turn."""
    return reconcile.sweep(station(app))
