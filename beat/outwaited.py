"""Cancels firings that waited for their workspace for longer than their schedule lets them."""

from shared.admission import Admission
from shared.events import event
from shared.store import activity, outwaited

BATCH = 1000


def end_outwaited(admission: Admission) -> int:
    """How many were cancelled; the gate never had them in line, or forgets them here."""
    with admission.database.transaction() as connection:
        ended = outwaited.cancel(connection, BATCH)
        for it in ended:
            body = {"firing_id": str(it.firing_id), "because": f"workspace_{it.workspace_status}"}
            deed = activity.Deed(
                "firing_cancelled",
                "beat",
                body,
                workspace=it.workspace_id,
                schedule=it.schedule_id,
                firing=it.firing_id,
            )
            activity.add(connection, deed)
    if ended:
        event("beat.outwaited", cancelled=len(ended))
        admission.withdraw([it.firing_id for it in ended])
    return len(ended)
