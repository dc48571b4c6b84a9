"""A schedule among its neighbours over HTTP: collisions, free offsets, the calibration hint."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from console.api.state import Rows
from console.deeds import crowding
from console.deeds.crowding import Calibration
from console.problems import not_found
from shared.rules.collisions import Collision, Offset
from shared.store import schedules

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


class Crowding(BaseModel):
    """What a schedule's owner should hear of it, what would be better, and what others like it take."""

    warnings: list[dict[str, Any]]
    offsets: list[Offset]
    calibration: Calibration | None


@router.get("/{schedule_id}/collisions")
def get_collisions(rows: Rows, schedule_id: UUID) -> Crowding:
    """Where the next 24 hours are too full for a schedule, and its three best free offsets."""
    found = schedules.get(rows.connection(), schedule_id)
    if found is None:
        raise not_found("schedule", schedule_id)
    return told(crowding.look(rows.connection(), found))


def told(seen: crowding.Crowding) -> Crowding:
    """As the API says it."""
    warnings = [] if seen.collision is None else [_warning(seen.collision)]
    return Crowding(warnings=warnings, offsets=list(seen.offsets), calibration=seen.calibration)


def _warning(found: Collision) -> dict[str, Any]:
    others = [{"id": it.id, "name": it.name, "avg_turns_per_firing": it.avg_turns} for it in found.others]
    return {
        "type": "cron_collision",
        "overlapping_schedules": others,
        "buckets": list(found.buckets),
        "estimated_concurrent_turns": found.turns,
    }
