"""What can be said to a running worker beside Celery's own commands."""

from typing import Any
from uuid import UUID

from celery.worker.control import control_command

from workers.bootsteps import keeper_of


@control_command(args=[("firing_ids", list), ("reason", str)], signature="<firing_ids> <reason>")
def abort_firings(state: Any, firing_ids: list[str], reason: str) -> dict[str, str]:
    """Ends the payloads of firings here and now, those that run here; the rows that ask for it are what counts."""
    keeper = keeper_of(state.consumer.controller)
    found = 0 if keeper is None else sum(keeper.abort(UUID(it), reason) for it in firing_ids)
    return {"ok": f"aborting {found}"}
