"""Workspaces over HTTP."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response

from console.api.fields import Body, Cap, Flag, Name, Url
from console.api.paging import Listing, id_after, listing
from console.api.state import Actor, Page, Rows, Slots
from console.deeds import workspaces as deeds
from console.problems import not_found
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


class WorkspaceForm(Body):
    """A new workspace, or a whole edit of one; `cap` is that of its own limit, null for none."""

    name: Name
    status: Status = "online"
    native_scheduler: Flag = False
    health_url: Url | None = None
    restart_url: Url | None = None
    cap: Cap | None = None

    def values(self) -> dict[str, Any]:
        """What its row has; the cap stands in `limits`."""
        return self.model_dump(exclude={"cap"})


@router.get("")
def list_workspaces(rows: Rows, page: Page) -> Listing[Workspace]:
    """Workspaces in the order they were made."""
    found = store.page(rows.connection(), id_after(page.cursor), page.limit + 1)
    return listing(found, page.limit, lambda it: str(it.id))


@router.post("", status_code=201)
def create_workspace(slots: Slots, actor: Actor, form: WorkspaceForm, response: Response) -> Workspace:
    """Makes a workspace."""
    made = deeds.create(slots, form.values(), form.cap, actor)
    response.headers["Location"] = f"/api/workspaces/{made.id}"
    return made


@router.get("/{workspace_id}")
def get_workspace(rows: Rows, workspace_id: UUID) -> Workspace:
    """One workspace."""
    found = store.get(rows.connection(), workspace_id)
    if found is None:
        raise not_found("workspace", workspace_id)
    return found


@router.put("/{workspace_id}")
def replace_workspace(slots: Slots, actor: Actor, workspace_id: UUID, form: WorkspaceForm) -> Workspace:
    """Edits a workspace; what waits in it is held while it is not fit, and goes on when it is."""
    return deeds.change(slots, workspace_id, form.values(), form.cap, actor)


@router.delete("/{workspace_id}", status_code=204)
def delete_workspace(slots: Slots, actor: Actor, workspace_id: UUID) -> None:
    """Removes it: what waits is cancelled, what runs aborted, its schedules archived."""
    deeds.remove(slots, workspace_id, actor)
