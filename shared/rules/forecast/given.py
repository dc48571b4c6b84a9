"""What a forecast starts from: schedules, what runs and waits now, caps and worker processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from uuid import UUID

from shared.rules.reasons import SkipReason

# Nobody has measured anything yet: a minute is said with the answer.
UNMEASURED_MS = 60_000
FIT = ("online", "degraded", "failed")


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace: its name, whether its firings may start, and whether it schedules itself or was removed."""

    id: UUID
    name: str
    status: str
    native: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule that is active, or paused until a moment within the forecast."""

    id: UUID
    workspace_id: UUID
    name: str
    cron: str | None
    timezone: str
    next_run_at: datetime
    run_at: datetime | None = None
    priority: int = 5
    lane: str | None = None
    overlap: str = "skip"
    missed: str = "latest"
    start_deadline_s: int | None = None
    jitter_s: int = 0
    start_at: datetime | None = None
    end_at: datetime | None = None
    remaining_runs: int | None = None
    deferred_until: datetime | None = None
    paused_until: datetime | None = None
    skip_next_at: datetime | None = None
    max_run_seconds: int = 1200
    avg_duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A firing that runs (`claimed_at` is set) or waits now."""

    id: UUID
    schedule_id: UUID | None
    workspace_id: UUID
    title: str
    source: str
    nominal_at: datetime
    queued_at: datetime
    line_no: int
    max_run_seconds: int
    priority: int = 5
    lane: str | None = None
    forced: bool = False
    not_before: datetime | None = None
    claimed_at: datetime | None = None
    run_expires_at: datetime | None = None
    held_until: datetime | None = None
    schedule_status: str | None = None
    overlap: str | None = None
    avg_duration_ms: int | None = None

    @property
    def by_hand(self) -> bool:
        """Whether a person asked for it: such ones wait for no other firing of their schedule."""
        return self.source in ("manual", "rerun")


@dataclass(frozen=True, slots=True)
class World:
    """Everything as it is at `now`. Without a worker, `processes` is None and as many as there are slots.

    `paused`: the whole fleet is, and nobody says until when.
    """

    now: datetime
    caps: Mapping[str, int]
    processes: int | None
    places: Sequence[Place]
    schedules: Sequence[Planned]
    standing: Sequence[Standing] = ()
    paused: bool = False

    @property
    def usual_ms(self) -> int:
        """How long a firing runs whose schedule was never measured: the median of those that were."""
        known = [it.avg_duration_ms for it in self.schedules if it.avg_duration_ms is not None]
        return int(median(known)) if known else UNMEASURED_MS

    def refusal(self, workspace: UUID) -> SkipReason | None:
        """Why occurrences in a workspace make no firings, if they make none."""
        place = next(it for it in self.places if it.id == workspace)
        if place.native:
            return SkipReason.NATIVE
        if place.status == "removed":
            return SkipReason.WORKSPACE
        return SkipReason.PAUSED if self.paused else None
