"""Firings over HTTP: listed, read, started without a schedule, cancelled, repeated."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from console.api.allowed import Asking, need_place, needs, only
from console.api.fields import AskedInstant, Attempts, Body, Lane, Priority, Prompt, Seconds, SomeSeconds, Title, Turns
from console.api.paging import Listing, listing, moment_and_id_after
from console.api.started import IN_LINE, AskedHow, Started, started
from console.api.state import Actor, Paging, Rows, Slots
from console.api.targets import Target
from console.deeds import firings as deeds
from console.problems import not_found
from shared.rules.reasons import Reason
from shared.rules.states import State
from shared.store import firing_detail
from shared.store import firings as store
from shared.store.connection import Database
from shared.store.firing_detail import Given, Tried
from shared.store.firings import Filter, Firing

router = APIRouter(prefix="/api/firings", tags=["firings"])


class Wanted(Paging):
    """Which firings to list."""

    schedule: UUID | None = None
    workspace: UUID | None = None
    status: State | None = None
    reason: Reason | None = None
    since: AskedInstant | None = None


class AdHoc(Body):
    """A firing without a schedule."""

    workspace_id: UUID
    target: Target
    prompt: Prompt = ""
    title: Title = "ad hoc"
    priority: Priority = 5
    lane: Lane | None = None
    max_turns: Turns | None = None
    max_run_seconds: SomeSeconds | None = None
    max_attempts: Attempts = 1
    retry_backoff_s: Seconds = 30


@dataclass(frozen=True)
class Whole(Firing):
    """One firing with what it was given, by which revision of its schedule, and each of its attempts."""

    prompt: str
    target: dict[str, Any]
    schedule_revision: int | None
    attempts: list[Tried]


class Detail(BaseModel):
    """A firing with what it was given and each of its attempts."""

    firing: Firing
    prompt: str
    target: dict[str, Any]
    attempts: list[Tried]


class Cancelled(BaseModel):
    """`cancelled`: it waited and has ended; `aborting`: it runs and is being ended."""

    firing_id: UUID
    answer: str


@router.get("", openapi_extra=needs(one_workspace=True))
def list_firings(rows: Rows, caller: Asking, wanted: Annotated[Wanted, Query()]) -> Listing[Firing]:
    """Firings by the time they were queued, newest first."""
    which = Filter(
        wanted.schedule,
        only(caller, wanted.workspace),
        wanted.status and wanted.status.value,
        wanted.reason and wanted.reason.value,
        wanted.since,
        moment_and_id_after(wanted.cursor),
    )
    found = store.newest(rows.connection(), which, wanted.limit + 1)
    return listing(found, wanted.limit, lambda it: f"{it.queued_at.isoformat()}|{it.id}")


@router.post("", responses=IN_LINE, openapi_extra=needs(one_workspace=True))
def create_firing(slots: Slots, caller: Asking, form: AdHoc, asked: AskedHow, response: Response) -> Started:
    """Runs something once; as with a schedule: 429 where there is no room, 202 in line with `queue`."""
    need_place(caller, form.workspace_id)
    values = {**form.model_dump(), "target": form.target.model_dump(exclude_none=True)}
    return started(slots.database, lambda: deeds.ad_hoc(slots, values, asked), asked, response)


@router.get("/{firing_id}")
def get_firing(rows: Rows, firing_id: UUID) -> Whole:
    """One firing with what it was given, by which revision of its schedule, and each of its attempts."""
    found, given, tried = _read(rows, firing_id)
    return Whole(
        **vars(found),
        prompt=given.prompt,
        target=given.target,
        schedule_revision=given.schedule_revision,
        attempts=tried,
    )


@router.get("/{firing_id}/detail")
def get_firing_detail(rows: Rows, firing_id: UUID) -> Detail:
    """The same in four parts."""
    found, given, tried = _read(rows, firing_id)
    return Detail(firing=found, prompt=given.prompt, target=given.target, attempts=tried)


@router.post("/{firing_id}/cancel", responses={202: {"model": Cancelled, "description": "It runs and is being ended"}})
def cancel_firing(slots: Slots, actor: Actor, firing_id: UUID, response: Response) -> Cancelled:
    """Ends one that waits (200), asks for the end of one that runs (202); 409 where nothing is left to end."""
    answer = deeds.cancel(slots, firing_id, actor)
    response.status_code = 202 if answer == "aborting" else 200
    return Cancelled(firing_id=firing_id, answer=answer)


@router.post("/{firing_id}/rerun", responses=IN_LINE)
def rerun_firing(slots: Slots, firing_id: UUID, asked: AskedHow, response: Response) -> Started:
    """Makes a new firing of one that has ended, with what that one was given."""
    return started(slots.database, lambda: deeds.rerun(slots, firing_id, asked), asked, response)


def _read(rows: Database, firing: UUID) -> tuple[Firing, Given, list[Tried]]:
    connection = rows.connection()
    found, given = store.get(connection, firing), firing_detail.given(connection, firing)
    if found is None or given is None:
        raise not_found("firing", firing)
    return found, given, firing_detail.attempts(connection, firing)
