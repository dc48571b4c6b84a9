"""What keeps a queued firing out of the line for a slot."""

from datetime import datetime

from shared.rules.fitness import ADMITS
from shared.rules.pauses import is_held_by_pause
from shared.rules.why.told import clock
from shared.store.overview import Waits


def held_back(it: Waits, now: datetime) -> str | None:
    """In words; None for one that waits for a slot. Of a budget only its looking again later is seen."""
    if it.not_before is not None and it.not_before > now:
        return f"{'its next attempt is' if it.attempt_count else 'it starts'} not before {clock(it.not_before)}"
    if is_held_by_pause(it.schedule_status, it.source, it.forced):
        return "its schedule is paused"
    if it.workspace_status not in ADMITS:
        return f"workspace {it.workspace} is {it.workspace_status.replace('_', ' ')}"
    if it.held_by_class is not None:
        return f"the outage {it.held_by_class}: one firing at a time tries whether it is over"
    return "an earlier firing of this schedule still runs" if it.runs_already else None
