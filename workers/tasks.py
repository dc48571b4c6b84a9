"""Every Celery task, each a few lines: decode, call one function."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from shared.celery_app import (
    ALERT,
    CANCEL_REMOTE,
    EXECUTE,
    REAP,
    RECONCILE,
    RESTART,
    RETAIN,
    SWEEP,
    TALLY,
    WAKE,
)
from shared.events import trouble
from shared.store.connection import AWAY
from workers import alerts, chain, reaper, reconcile, remote, restart, retain, sweep, tally, wake
from workers.celery import app
from workers.station import Station, station

_Told = TypeVar("_Told")


@app.task(name=EXECUTE, bind=True, ignore_result=True)
def execute(self: Any, firing_id: str) -> str:
    """A hint that this firing may be startable."""
    return _contained(EXECUTE, lambda at: chain.execute(at, UUID(firing_id), self.request.id)) or "not claimed"


@app.task(name=REAP, ignore_result=True)
def reap() -> dict[str, int]:
    """Ends what outlived its leases, if it is this task's turn."""
    return _swept(REAP, reaper.sweep)


@app.task(name=RECONCILE, ignore_result=True)
def reconcile_gate() -> dict[str, int]:
    """Holds Redis against Postgres, if it is this task's turn."""
    return _swept(RECONCILE, reconcile.sweep)


@app.task(name=RESTART, ignore_result=True)
def restart_workspace(workspace_id: str) -> bool:
    """A hint that a restart of this workspace is wanted."""
    return bool(_contained(RESTART, lambda at: restart.begin(at, UUID(workspace_id))))


@app.task(name=CANCEL_REMOTE, ignore_result=True)
def cancel_remote(token: int) -> bool:
    """Cancels what a lost attempt left running elsewhere, if it did."""
    return bool(_contained(CANCEL_REMOTE, lambda at: remote.cancel(at, int(token))))


@app.task(name=SWEEP, ignore_result=True)
def sweep_phantom_busy() -> dict[str, int]:
    """Puts right who is counted busy for nothing, if it is this task's turn."""
    return _swept(SWEEP, sweep.sweep)


@app.task(name=WAKE, ignore_result=True)
def wake_workspaces() -> dict[str, int]:
    """Wakes workspaces in which something waits, if it is this task's turn."""
    return _swept(WAKE, wake.sweep)


@app.task(name=ALERT, ignore_result=True)
def send_alert() -> dict[str, int]:
    """Sees to what people are to be told, if it is this task's turn."""
    return _swept(ALERT, alerts.sweep)


@app.task(name=TALLY, ignore_result=True)
def tally_up() -> dict[str, int]:
    """Folds what ended into counters, if it is this task's turn."""
    return _swept(TALLY, tally.sweep)


@app.task(name=RETAIN, ignore_result=True)
def forget_old() -> dict[str, int]:
    """Deletes what is too old, if it is this task's turn."""
    return _swept(RETAIN, retain.sweep)


def _swept(task: str, sweep: Callable[[Station], dict[str, int]]) -> dict[str, int]:
    """A pass that cannot even take its turn is one line, whatever Postgres said; the next one is due soon."""
    return _contained(task, sweep, (psycopg.Error,)) or {}


def _contained(
    task: str, deed: Callable[[Station], _Told], errors: tuple[type[psycopg.Error], ...] = AWAY
) -> _Told | None:
    """What cannot be begun, because Postgres is away, is one line; its row stands, and its message is sent again."""
    try:
        return deed(station(app))
    except errors as error:
        trouble("task.failed", error, task=task)
        return None
