"""Workspaces over HTTP."""

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, StrictInt

from console.api.allowed import Asking, needs, only
from console.api.fields import Body, Cap, Flag, Instant, Name, Title, Url
from console.api.paging import Listing, id_after, listing
from console.api.state import Actor, Asked, Page, Rows, Slots
from console.api.tags import CACHED, UNCHANGED, IfMatch, IfNoneMatch, has, tag, unchanged, wanted
from console.api.targets import Argv
from console.callers import calling
from console.deeds import restarts
from console.deeds import workspaces as deeds
from shared import health
from shared.rules.scopes import Scope
from shared.settings import read
from shared.store import settings as settings_table
from shared.store import workspaces as store
from shared.store.workspaces import Workspace

router = APIRouter(prefix="/api/workspaces", tags=["workspaces"])

# Removing one is DELETE, for it ends what is in it.
Status = Literal[
    "provisioning",
    "online",
    "offline",
    "degraded",
    "failed",
    "paused",
    "hibernated",
    "hibernating",
    "awaiting_agent",
]
_TOLD = {"active_tasks", "current_task", "last_activity_at"}


class Fields(Body):
    """What a workspace has beside its name; the last three are what an agent says of itself.

    `health_url` is asked by GET before anything runs in it. `restart_command` or `restart_url` (by POST) restarts
    it; the command asks whatever supervises the workspace, for what it starts itself ends with it. `wake_url` is
    called by POST, once, when something waits in a workspace that sleeps. `cap` is that of its own limit, null for
    none.
    """

    status: Status = "online"
    native_scheduler: Flag = False
    health_url: Url | None = None
    restart_command: Argv | None = None
    restart_url: Url | None = None
    wake_url: Url | None = None
    cap: Cap | None = None
    active_tasks: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 0
    current_task: Title | None = None
    last_activity_at: Instant | None = None

    def edit(self, *, whole: bool) -> deeds.Edit:
        """As the deed takes it; where it is not the `whole` workspace, what was left out stays."""
        values = self.model_dump(exclude={*_TOLD, "cap"}, exclude_unset=not whole)
        cap = self.model_dump(include={"cap"}, exclude_unset=not whole)
        told = self.model_dump(include=_TOLD, exclude_unset=True)
        return deeds.Edit(values, cap.get("cap"), bool(cap), told)


class WorkspaceForm(Fields):
    """A new workspace, or a whole edit of one."""

    name: Name


class WorkspaceChanges(Fields):
    """Some fields of a workspace; those that are not given stay as they are."""

    name: Name = ""


class RestartAsked(Asked):
    """Whether to answer only when the restart has ended."""

    wait: bool = False


class WhichRestart(Asked):
    """The number of a restart; without one, the newest that began."""

    number: Annotated[int | None, Field(ge=1, le=2**62)] = None


@router.get("", openapi_extra=needs(one_workspace=True))
def list_workspaces(rows: Rows, caller: Asking, page: Page) -> Listing[Workspace]:
    """Workspaces in the order they were made."""
    own, after = only(caller, None), id_after(page.cursor)
    if own is not None:
        return Listing(items=store.listing(rows.connection(), (own,)) if after is None else [], next_cursor=None)
    found = store.page(rows.connection(), after, page.limit + 1)
    return listing(found, page.limit, lambda it: str(it.id))


@router.post("", status_code=201, openapi_extra=needs(Scope.ADMIN))
def create_workspace(slots: Slots, actor: Actor, form: WorkspaceForm, response: Response) -> Workspace:
    """Makes a workspace."""
    edit = form.edit(whole=True)
    made = deeds.create(slots, dict(edit.values), edit.cap, actor)
    if edit.told:
        made = deeds.change(slots, made.id, deeds.Edit(told=edit.told), actor)
    response.headers["Location"] = f"/api/workspaces/{made.id}"
    return _tagged(made, response)


def _tagged(found: Workspace, response: Response) -> Workspace:
    response.headers["ETag"] = tag(deeds.tag_of(found), found)
    return found


@router.get("/{workspace_id}", response_model=Workspace, responses=UNCHANGED)
def get_workspace(
    rows: Rows, workspace_id: UUID, response: Response, if_none_match: IfNoneMatch = None
) -> Workspace | Response:
    """One workspace. An edit with its ETag is refused where people edited it since; 304 where nothing changed."""
    found = deeds.get(rows, workspace_id)
    if has(if_none_match, tag(deeds.tag_of(found), found)):
        return unchanged(tag(deeds.tag_of(found), found))
    response.headers.update(CACHED)
    return _tagged(found, response)


@router.put("/{workspace_id}", openapi_extra=needs(Scope.ADMIN))
def replace_workspace(
    slots: Slots, actor: Actor, workspace_id: UUID, form: WorkspaceForm, response: Response, if_match: IfMatch = None
) -> Workspace:
    """Edits a workspace; what waits in it is held while it is not fit, and goes on when it is."""
    edit = replace(form.edit(whole=True), if_match=wanted(if_match))
    return _tagged(deeds.change(slots, workspace_id, edit, actor), response)


@router.patch("/{workspace_id}")
def edit_workspace(
    slots: Slots, actor: Actor, workspace_id: UUID, form: WorkspaceChanges, response: Response, if_match: IfMatch = None
) -> Workspace:
    """Changes the fields that are given. An agent says here what it does: active_tasks, current_task.

    Its status, and what an agent says, need the scope operate; all else needs admin.
    """
    if form.model_fields_set - _TOLD - {"status"}:
        calling().need(Scope.ADMIN)
    edit = replace(form.edit(whole=False), if_match=wanted(if_match))
    return _tagged(deeds.change(slots, workspace_id, edit, actor), response)


@router.delete("/{workspace_id}", status_code=204, openapi_extra=needs(Scope.ADMIN))
def delete_workspace(slots: Slots, actor: Actor, workspace_id: UUID) -> None:
    """Removes it: what waits is cancelled, what runs aborted, its schedules archived."""
    deeds.remove(slots, workspace_id, actor)


@router.get("/{workspace_id}/health")
async def get_health(rows: Rows, workspace_id: UUID) -> health.Health:
    """Asks its health_url now, as a preflight does: fit, dead, transient, or unknown where nobody can be asked."""
    known = await run_in_threadpool(deeds.get, rows, workspace_id)
    within_s = await run_in_threadpool(lambda: read(table=settings_table.load(rows.connection())).preflight_s)
    return await health.examine(known.status, known.health_url, within_s)


@router.post(
    "/{workspace_id}/restart",
    status_code=202,
    responses={200: {"model": restarts.Progress, "description": "It has ended"}},
)
async def restart_workspace(
    slots: Slots, actor: Actor, workspace_id: UUID, how: Annotated[RestartAsked, Query()], response: Response
) -> restarts.Progress:
    """Restarts it: one runs at a time, and however many ask meanwhile, one more follows.

    202 with the number of the restart that serves this request; with `wait`, 200 when it has ended, whatever its
    `outcome`, and 504 when it never began. 409 without a restart hook.
    """
    asked = await run_in_threadpool(restarts.ask, slots, workspace_id, actor)
    if not how.wait:
        return asked

    async def look() -> restarts.Progress:
        return await run_in_threadpool(restarts.follow, slots.database, workspace_id, asked.number)

    ended = await restarts.wait(look)
    response.status_code = 200
    return ended


@router.get("/{workspace_id}/restart")
def get_restart(rows: Rows, workspace_id: UUID, which: Annotated[WhichRestart, Query()]) -> restarts.Progress:
    """How far a restart is."""
    return restarts.follow(rows, workspace_id, which.number)
