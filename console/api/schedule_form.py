"""A schedule as it is written: for a new one or a whole edit, and for an edit of some fields."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from console.api.fields import (
    Amount,
    Attempts,
    Body,
    Count,
    Flag,
    Instant,
    Lane,
    Name,
    Note,
    Priority,
    Prompt,
    Seconds,
    SomeSeconds,
    Turns,
)
from console.api.targets import SuccessCheck, Target, changed

Kind = Literal["scheduled", "heartbeat", "once"]
Overlap = Literal["skip", "queue_one", "queue_all", "replace", "allow"]
Missed = Literal["latest", "all", "none"]
# The rules say what is wrong with these two, with examples.
Cron = Annotated[str, Field(max_length=256 * 1024, examples=["30 9 * * mon-fri"])]
Zone = Annotated[str, Field(max_length=256 * 1024, examples=["Europe/Berlin"])]

# What is not given in an edit stays as it is; it is never read.
_NOT_GIVEN: Any = None


class SchedulePatch(Body):
    """An edit of some fields; those that are not given stay as they are."""

    workspace_id: UUID = _NOT_GIVEN
    name: Name = _NOT_GIVEN
    kind: Kind = _NOT_GIVEN
    cron: Cron | None = None
    run_at: Instant | None = None
    timezone: Zone = _NOT_GIVEN
    prompt: Prompt = _NOT_GIVEN
    target: Target = _NOT_GIVEN
    priority: Priority = _NOT_GIVEN
    lane: Lane | None = None
    overlap: Overlap = _NOT_GIVEN
    missed: Missed = _NOT_GIVEN
    start_deadline_s: Count | None = None
    jitter_s: Seconds = _NOT_GIVEN
    start_at: Instant | None = None
    end_at: Instant | None = None
    remaining_runs: Count | None = None
    max_turns: Turns | None = None
    max_run_seconds: SomeSeconds | None = None
    max_attempts: Attempts = _NOT_GIVEN
    retry_backoff_s: Seconds = _NOT_GIVEN
    daily_turn_budget: Count | None = None
    budget_turns: Count | None = None
    budget_tokens: Amount | None = None
    budget_micros: Amount | None = None
    success_check: SuccessCheck | None = None
    alert_after_s: Count | None = None

    def values(self) -> dict[str, Any]:
        """What was given, as rows have it."""
        given = self.model_dump(exclude_unset=True)
        for it in ("target", "success_check"):
            written = getattr(self, it)
            if it in given and written is not None:
                given[it] = written.model_dump(exclude_none=True)
        return given


class ScheduleForm(SchedulePatch):
    """A new schedule, or a whole edit of one; what is not given has its default."""

    workspace_id: UUID  # pyright: ignore[reportGeneralTypeIssues] here it is required
    name: Name  # pyright: ignore[reportGeneralTypeIssues] here it is required
    kind: Kind = "scheduled"
    timezone: Zone = "UTC"
    prompt: Prompt = ""
    target: Target  # pyright: ignore[reportGeneralTypeIssues] here it is required
    priority: Priority = 5
    overlap: Overlap = "skip"
    missed: Missed = "latest"
    jitter_s: Seconds = 0
    max_attempts: Attempts = 1
    retry_backoff_s: Seconds = 30

    def values(self) -> dict[str, Any]:
        """All of it, as rows have it."""
        check = self.success_check
        return {
            **self.model_dump(),
            "target": self.target.model_dump(exclude_none=True),
            "success_check": None if check is None else check.model_dump(exclude_none=True),
        }


class PreviewForm(SchedulePatch):
    """A schedule that is not saved: all of it, or only what decides when it runs."""

    kind: Kind = "scheduled"
    timezone: Zone = "UTC"
    overlap: Overlap = "skip"
    missed: Missed = "latest"
    jitter_s: Seconds = 0


class BackfillForm(Body):
    """Which span of the past, ends included; with `dry_run` nothing is fired."""

    start: Instant
    end: Instant
    dry_run: Flag = False


class PauseForm(Body):
    """Why a schedule pauses, until when, and whether what waits of it is cancelled."""

    note: Note | None = None
    until: Instant | None = None
    cancel_queued: Flag = False


class RunForm(Body):
    """What is different for this one firing: of its target the fields that are given, or one of another kind."""

    prompt: Prompt = _NOT_GIVEN
    max_turns: Turns | None = None
    target: dict[str, Any] = _NOT_GIVEN

    def changes(self, target: dict[str, Any]) -> dict[str, Any]:
        """What was given, as rows have it, of a schedule with such a target."""
        given = self.model_dump(exclude_unset=True)
        return {**given, "target": changed(target, self.target)} if "target" in given else given
