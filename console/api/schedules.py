"""Schedules over HTTP: read, written with ETag and If-Match, run now, paused, resumed."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from console.api import crowding
from console.api.allowed import Asking, need_place, needs, only
from console.api.fields import Name
from console.api.paging import Listing, id_after, listing, number_after
from console.api.repeats import Repeated, tell
from console.api.schedule_form import PauseForm, RunForm, ScheduleForm, SchedulePatch
from console.api.started import IN_LINE, AskedHow, Started, started
from console.api.state import Actor, Page, Paging, Rows, Slots
from console.api.tags import CACHED, UNCHANGED, IfMatch, IfNoneMatch, has, tag, unchanged, wanted
from console.callers import calling
from console.deeds import crowding as crowding_deeds
from console.deeds import firings as firing_deeds
from console.deeds import pausing
from console.deeds import schedules as deeds
from console.deeds.crowding import Calibration
from console.deeds.repeats import once
from console.problems import Problem, not_found
from shared.rules.collisions import Offset
from shared.rules.cron_notes import Note
from shared.store import schedule_edits
from shared.store import schedules as store
from shared.store.connection import Database
from shared.store.schedule_edits import Revision
from shared.store.schedules import Filter, Schedule

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


class Saved(BaseModel):
    """A schedule as it was saved, and what its owner should hear of it and of its neighbours."""

    schedule: Schedule
    warnings: list[dict[str, Any]]
    offsets: list[Offset]
    calibration: Calibration | None


DryRun = Annotated[bool, Query(description="Check it and answer what would be saved; save nothing.")]


async def _terms(if_match: IfMatch = None, dry_run: DryRun = False) -> dict[str, Any]:
    return {"if_match": _revisions(if_match), "dry_run": dry_run}


Terms = Annotated[dict[str, Any], Depends(_terms)]


class Wanted(Paging):
    """Which schedules to list; without a status, all but archived ones."""

    workspace: UUID | None = None
    name: Name | None = None
    status: Annotated[Literal["active", "paused", "archived"] | None, Field()] = None


@router.get("", openapi_extra=needs(one_workspace=True))
def list_schedules(rows: Rows, caller: Asking, asked: Annotated[Wanted, Query()]) -> Listing[Schedule]:
    """Schedules in the order they were made."""
    which = Filter(only(caller, asked.workspace), asked.name, asked.status, id_after(asked.cursor))
    found = store.page(rows.connection(), which, asked.limit + 1)
    return listing(found, asked.limit, lambda it: str(it.id))


@router.post("", status_code=201, openapi_extra=needs(one_workspace=True))
def create_schedule(
    rows: Rows, actor: Actor, form: ScheduleForm, repeat: Repeated, response: Response, dry_run: DryRun = False
) -> Saved:
    """Makes a schedule; it is due at its first occurrence from now on."""
    need_place(calling(), form.workspace_id)
    if dry_run:
        return _saved(rows, deeds.create(rows, form.values(), actor, dry_run=True), response)
    notes: list[Note] = []

    def create() -> UUID:
        saved = deeds.create(rows, form.values(), actor, repeat)
        notes.extend(saved.warnings)
        return saved.schedule.id

    made, again = once(rows, repeat, create)
    tell(response, again=again)
    response.headers["Location"] = f"/api/schedules/{made}"
    found = store.get(rows.connection(), made)
    if found is None:
        raise Problem(410, "gone", f"This request made schedule {made}, which was deleted since. Draw a new key.")
    return _saved(rows, deeds.Saved(found, tuple(notes)), response)


@router.get("/{schedule_id}", response_model=Schedule, responses=UNCHANGED)
def get_schedule(
    rows: Rows, schedule_id: UUID, response: Response, if_none_match: IfNoneMatch = None
) -> Schedule | Response:
    """One schedule; its ETag begins with its revision. 304 with If-None-Match where nothing of it changed."""
    found = store.get(rows.connection(), schedule_id)
    if found is None:
        raise not_found("schedule", schedule_id)
    if has(if_none_match, tag(found.revision, found)):
        return unchanged(tag(found.revision, found))
    response.headers.update(CACHED)
    return _tagged(found, response)


@router.put("/{schedule_id}")
def replace_schedule(
    rows: Rows, actor: Actor, schedule_id: UUID, form: ScheduleForm, response: Response, terms: Terms
) -> Saved:
    """Edits all of a schedule. What waits or runs of it stays as it was made."""
    need_place(calling(), form.workspace_id)
    return _saved(rows, deeds.edit(rows, schedule_id, form.values(), actor, **terms), response)


@router.patch("/{schedule_id}")
def edit_schedule(
    rows: Rows, actor: Actor, schedule_id: UUID, form: SchedulePatch, response: Response, terms: Terms
) -> Saved:
    """Edits the fields that are given."""
    if "workspace_id" in form.model_fields_set:
        need_place(calling(), form.workspace_id)
    return _saved(rows, deeds.edit(rows, schedule_id, form.values(), actor, **terms), response)


@router.delete("/{schedule_id}", status_code=204)
def delete_schedule(slots: Slots, actor: Actor, schedule_id: UUID, if_match: IfMatch = None) -> None:
    """Deletes a schedule; one with a history is archived. What waits of it is cancelled, what runs goes on."""
    deeds.remove(slots, schedule_id, actor, _revisions(if_match))


@router.get("/{schedule_id}/revisions")
def list_revisions(rows: Rows, schedule_id: UUID, page: Page) -> Listing[Revision]:
    """What was edited, by whom, newest first."""
    if store.get(rows.connection(), schedule_id) is None:
        raise not_found("schedule", schedule_id)
    found = schedule_edits.revisions(rows.connection(), schedule_id, page.limit + 1, number_after(page.cursor))
    return listing(found, page.limit, lambda it: str(it.revision))


@router.post("/{schedule_id}/execute", responses=IN_LINE)
def execute_schedule(
    slots: Slots,
    schedule_id: UUID,
    asked: AskedHow,
    response: Response,
    form: RunForm | None = None,
) -> Started:
    """Runs it now: 429 where there is no room, 202 in line with `queue`, past the caps with `force` (audited)."""

    def run() -> UUID:
        known = None if form is None else store.get(slots.database.connection(), schedule_id)
        changes = {} if form is None or known is None else form.changes(known.target)
        return firing_deeds.execute(slots, schedule_id, changes, asked)

    return started(slots.database, run, asked, response)


@router.post("/{schedule_id}/pause")
def pause_schedule(
    slots: Slots, actor: Actor, schedule_id: UUID, response: Response, form: PauseForm | None = None
) -> Schedule:
    """Pauses it: what waits is held, what runs goes on; nothing missed meanwhile is fired later."""
    wish = pausing.Pause() if form is None else pausing.Pause(form.note, form.until, form.cancel_queued)
    return _tagged(pausing.pause(slots, schedule_id, wish, actor), response)


@router.post("/{schedule_id}/resume")
def resume_schedule(slots: Slots, actor: Actor, schedule_id: UUID, response: Response) -> Schedule:
    """Makes it active from now on."""
    return _tagged(pausing.resume(slots, schedule_id, actor), response)


def _tagged(found: Schedule, response: Response) -> Schedule:
    response.headers["ETag"] = tag(found.revision, found)
    return found


def _saved(rows: Database, saved: deeds.Saved, response: Response) -> Saved:
    notes = [{"type": it.code, "message": it.words} for it in saved.warnings]
    seen = crowding.told(crowding_deeds.look(rows.connection(), saved.schedule))
    return Saved(
        schedule=_tagged(saved.schedule, response),
        warnings=notes + seen.warnings,
        offsets=seen.offsets,
        calibration=seen.calibration,
    )


def _revisions(if_match: str | None) -> frozenset[int] | None:
    """The revisions an edit is for; None for any."""
    tags = wanted(if_match)
    return None if tags is None else frozenset(int(it) for it in tags if it.isascii() and it.isdigit())
