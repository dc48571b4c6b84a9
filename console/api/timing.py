"""When a schedule would run and would have run, over HTTP: the preview of an unsaved one, and backfills."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from console.api.allowed import needs
from console.api.schedule_form import BackfillForm, PreviewForm
from console.api.state import Actor, Rows, Slots
from console.deeds import backfill, preview
from shared.rules.cron_notes import Note
from shared.rules.scopes import Scope

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


class Occurrence(BaseModel):
    """One moment that a schedule's times name."""

    nominal_at: datetime


class Preview(BaseModel):
    """An unsaved schedule in words, its next five occurrences, and what its owner should hear."""

    words: str
    occurrences: list[Occurrence]
    warnings: list[dict[str, Any]]


class BackfilledOccurrence(Occurrence):
    """An occurrence and the firing that was made of it; null in a dry run."""

    firing_id: UUID | None


class Backfilled(BaseModel):
    """What was fired, oldest first; how many had fired already, or were skipped under other times than those now."""

    dry_run: bool
    occurrences: list[BackfilledOccurrence]
    fired_already: int
    skipped_by_other_times: int
    warnings: list[dict[str, Any]]


@router.post("/preview", openapi_extra=needs(Scope.READ, one_workspace=True))
def preview_schedule(rows: Rows, form: PreviewForm) -> Preview:
    """The next five occurrences of a schedule that is not saved, in words too; refused as it would be on save."""
    found = preview.preview(rows, form.model_dump(exclude={"target"}))
    at = [Occurrence(nominal_at=it) for it in found.occurrences]
    return Preview(words=found.words, occurrences=at, warnings=_told(found.warnings))


@router.post("/{schedule_id}/backfill")
def backfill_schedule(slots: Slots, actor: Actor, schedule_id: UUID, form: BackfillForm) -> Backfilled:
    """Fires the occurrences of a past span that made no firing; they wait in line, under the caps as all do."""
    done = backfill.run(slots, schedule_id, backfill.Wish(form.start, form.end, form.dry_run), actor)
    made = [
        BackfilledOccurrence(nominal_at=it.nominal_at, firing_id=None if form.dry_run else it.id) for it in done.made
    ]
    return Backfilled(
        dry_run=form.dry_run,
        occurrences=made,
        fired_already=done.planned.fired_already,
        skipped_by_other_times=done.planned.foreign,
        warnings=_told(done.warnings),
    )


def _told(notes: tuple[Note, ...]) -> list[dict[str, Any]]:
    return [{"type": it.code, "message": it.words} for it in notes]
