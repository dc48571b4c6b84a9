"""The look for workspaces that are counted busy although nothing runs in them (REA-12)."""

from datetime import timedelta

from shared.celery_app import SWEEP
from shared.events import event
from shared.store import activity, cadence, workspaces
from workers.station import Station


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; how many were put right."""
    settings = station.refresh()
    connection = station.database.connection()
    if not cadence.take(connection, SWEEP, settings.sweep_every_s):
        return {}
    with station.database.transaction():
        cleared = workspaces.clear_phantoms(connection, timedelta(seconds=settings.phantom_after_s))
        for workspace in cleared:
            activity.add(connection, activity.Deed("phantom_busy_cleared", "sweep", {}, workspace=workspace))
    for workspace in cleared:
        event("workspace.phantom_busy", workspace=workspace)
    counts = {"cleared_total": len(cleared)} if cleared else {}
    cadence.finish(connection, SWEEP, "ok", counts)
    return counts
