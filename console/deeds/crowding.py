"""What whoever saves a schedule should know of its neighbours: collisions, free offsets, a calibration hint."""

from dataclasses import dataclass

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
    now = schedules.now(connection)
    one, others = _weighed(schedule), crowding.active(connection, schedule.workspace_id)
    found = collisions.collision(one, others, now)
    offsets = collisions.free_offsets(one, others, now) if found else ()
    return Crowding(found, offsets, _calibration(connection, schedule))


def _calibration(connection: Postgres, schedule: Schedule) -> Calibration | None:
    adapter = collisions.adapter_of(schedule.target)
    averages = crowding.averages(connection, adapter, schedule.id)
    median = collisions.calibration(averages)
    return None if median is None else Calibration(adapter, median, len(averages))


def _weighed(it: Schedule) -> Weighed:
    return Weighed(
        it.id,
        it.name,
        it.cron,
        it.run_at,
        it.timezone,
        it.start_at,
        it.end_at,
        it.remaining_runs,
        it.avg_turns_per_firing,
    )
