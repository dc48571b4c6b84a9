"""Wakes workspaces that sleep while something waits in them: each once, until its status changes."""

from shared.celery_app import WAKE
from shared.clock import boottime
from shared.events import event
from shared.store import activity, cadence, workspaces
from workers import aside, hook
from workers.station import Station

_WITHIN_S = 30.0
_GRACE_S = 1.0


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; how many are being woken."""
    settings = station.refresh()
    connection = station.database.connection()
    if not cadence.take(connection, WAKE, settings.wake_every_s):
        return {}
    # No more than there are places for: who is taken is called, and by nobody else.
    asleep = workspaces.take_asleep(connection, aside.room())
    for it in asleep:
        aside.begin(f"wake {it.id}", lambda it=it: wake(station, it))
    counts = {"woken_total": len(asleep)} if asleep else {}
    cadence.finish(connection, WAKE, "ok", counts)
    return counts


def wake(station: Station, asleep: workspaces.Asleep) -> None:
    """Calls the hook, and writes how it went."""
    began = boottime()
    try:
        body = {"workspace_id": str(asleep.id), "workspace": asleep.name}
        order = hook.by_post(asleep.wake_url, asleep.name, body)
        error = hook.run(station, order, hook.Times(began + _WITHIN_S, _GRACE_S))
        event("workspace.woken", workspace=asleep.id, error=error)
        deed = activity.Deed(
            "workspace_woken",
            "worker",
            {},
            status="ok" if error is None else "error",
            error=error,
            workspace=asleep.id,
            duration_ms=round((boottime() - began) * 1000),
        )
        activity.add(station.database.connection(), deed)
    finally:
        station.database.close()  # this thread's
