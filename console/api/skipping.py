"""The next occurrence of a schedule, skipped once, over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from console.api.state import Actor, Rows
from console.deeds import skipping as deeds
from shared.store.schedules import Schedule

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


@router.post("/{schedule_id}/skip-next")
def skip_next(rows: Rows, actor: Actor, schedule_id: UUID) -> Schedule:
    """Skips the next occurrence, `skip_next_at`; the one after it runs. May be repeated: it is one."""
    return deeds.skip_next(rows, schedule_id, actor)


@router.delete("/{schedule_id}/skip-next")
def keep_next(rows: Rows, actor: Actor, schedule_id: UUID) -> Schedule:
    """The next occurrence runs after all."""
    return deeds.keep_next(rows, schedule_id, actor)
