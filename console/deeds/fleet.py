"""The whole fleet is paused and resumed; both may be repeated."""

from console.deeds.gate import tell
from shared.admission import Admission
from shared.store import activity, fleet, limits
from shared.store.connection import Database
from shared.store.fleet import FleetPause


def pause(admission: Admission, note: str | None, actor: str) -> FleetPause:
    """Stops all admission, forced ones too; what runs goes on, what comes due meanwhile is skipped."""
    with admission.database.transaction() as connection:
        if fleet.pause(connection, actor, note):
            activity.add(connection, activity.Deed("fleet_paused", actor, {"note": note}))
        now = fleet.current(connection)
    assert now is not None
    tell("pause fleet", lambda: admission.tell_cap(limits.FLEET))
    return now


def resume(admission: Admission, actor: str) -> None:
    """Goes on from now: what waits starts as there is room, what was skipped stays skipped."""
    with admission.database.transaction() as connection:
        before = fleet.current(connection)
        cap = fleet.resume(connection)
        if before is None or cap is None:
            return
        body = {"paused_by": before.paused_by, "paused_at": before.paused_at.isoformat(), "cap": cap}
        activity.add(connection, activity.Deed("fleet_resumed", actor, body))
    tell("resume fleet", lambda: admission.tell_cap(limits.FLEET))


def current(database: Database) -> FleetPause | None:
    """The pause that lasts, or None."""
    return fleet.current(database.connection())
