"""What can be said to a running worker beside Celery's own commands."""

from typing import Any
from uuid import UUID

from celery.worker.control import control_command

from workers.bootsteps import keeper_of


@control_command(args=[("firing_id", str), ("reason", str)], signature="<firing_id> <reason>")
def abort_firing(state: Any, firing_id: str, reason: str) -> dict[str, str]:
    """Ends a firing's payload here and now, if it runs here; the row that asks for it is what counts."""
    keeper = keeper_of(state.consumer.controller)
    found = keeper is not None and keeper.abort(UUID(firing_id), reason)
    return {"ok": "aborting" if found else "not here"}
