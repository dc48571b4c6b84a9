"""What whoever saves a schedule should know of its neighbours: collisions, free offsets, a calibration hint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from console.callers import calling
from shared.rules import collisions
from shared.rules.collisions import Collision, Offset, Weighed
from shared.store import crowding, schedules
from shared.store.connection import Postgres
from shared.store.schedules import Schedule


@dataclass(frozen=True)
class Calibration:
    """The median of what schedules of the same adapter take on average, in turns, and of how many."""

    adapter: str
    median_turns: int
    schedules: int


@dataclass(frozen=True)
class Crowding:
    """A schedule among the others of its workspace, over the next 24 hours."""

    collision: Collision | None
    offsets: tuple[Offset, ...]
    calibration: Calibration | None


def look(connection: Postgres, schedule: Schedule) -> Crowding:
    """Looks at a schedule among its neighbours, as the rows are now."""
    return look_ahead(connection, schedule.id, vars(schedule), schedule.avg_turns_per_firing)


def look_ahead(
    connection: Postgres, schedule: UUID, values: Mapping[str, Any], avg_turns: int | None = None
) -> Crowding:
    """The same of values that may not be saved; one that never ran weighs nothing itself."""
    now = schedules.now(connection)
    one, others = _weighed(schedule, values, avg_turns), crowding.active(connection, values["workspace_id"])
    found = collisions.collision(one, others, now)
    offsets = collisions.free_offsets(one, others, now) if found else ()
    counts = bool(values.get("max_turns") or avg_turns)
    return Crowding(found, offsets, _calibration(connection, schedule, values["target"], counts=counts))


def _calibration(connection: Postgres, schedule: UUID, target: dict[str, Any], *, counts: bool) -> Calibration | None:
    """None for what takes no turns: of a plain command only a budget or an average tells that it is an agent."""
    adapter = collisions.adapter_of(target)
    if adapter == collisions.ANY_COMMAND and not counts:
        return None
    # Who may see one workspace hears nothing of the others, no number either.
    averages = crowding.averages(connection, adapter, schedule, calling().workspace)
    median = collisions.calibration(averages)
    return None if median is None else Calibration(adapter, median, len(averages))


def _weighed(schedule: UUID, values: Mapping[str, Any], avg_turns: int | None) -> Weighed:
    timing = {
        it: values.get(it) for it in ("name", "cron", "run_at", "timezone", "start_at", "end_at", "remaining_runs")
    }
    return Weighed(id=schedule, avg_turns=avg_turns, **timing)  # pyright: ignore[reportArgumentType] by their names
