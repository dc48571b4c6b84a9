"""A workspace is restarted: asked for, followed by its number, waited for no longer than it can come."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from anyio import sleep

from console.deeds import workspaces as deeds
from console.problems import Problem
from shared import restarts as asking
from shared.admission import Admission
from shared.clock import monotonic
from shared.store import activity, restarts
from shared.store.connection import Database

# For how long nothing may run before a restart that is waited for is given up: a hint that was lost is sent again
# within that time, so no worker is there.
BEGINS_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.2

# behind: the one before it still runs. lost: its process is gone, and its time is over.
State = Literal["waiting", "behind", "running", "ended", "lost"]


@dataclass(frozen=True)
class Progress:
    """How far a restart is, by its number; what follows the state is of the one that ended, it or a later one."""

    number: int
    state: State
    outcome: str | None = None
    error: str | None = None
    duration_ms: int | None = None


def ask(admission: Admission, workspace: UUID, actor: str) -> Progress:
    """Wants a restart from now on; 409 where there is nothing to restart it with."""
    known = deeds.get(admission.database, workspace)
    if known.status == "removed":
        raise deeds.removed(known)
    if known.restart_command is None and known.restart_url is None:
        detail = f"Workspace {known.name} has no restart hook: give it a restart_command or a restart_url."
        raise Problem(409, "no_restart_hook", detail)
    with admission.database.transaction() as connection:
        asked = restarts.ask(connection, workspace)
        body = {"number": asked.number}
        activity.add(connection, activity.Deed("workspace_restart_asked", actor, body, workspace=workspace))
    asking.tell(admission.app, workspace, asked)
    return follow(admission.database, workspace, asked.number)


def follow(database: Database, workspace: UUID, number: int | None = None) -> Progress:
    """How far the restart of that number is, or the newest that began."""
    known = restarts.get(database.connection(), workspace)
    if known is None:
        deeds.get(database, workspace)  # 404 where there is no such workspace
        return Progress(0, "waiting")
    return progress(known, known.begun if number is None else number)


def progress(known: restarts.Restart, number: int) -> Progress:
    """A row as it looks to who waits for that number."""
    if known.ended >= number and known.ended > 0:
        return Progress(number, "ended", known.outcome, known.error, known.duration_ms)
    if known.begun >= number:
        return Progress(number, "lost" if known.lost else "running")
    return Progress(number, "behind" if known.running else "waiting")


async def wait(look: Callable[[], Awaitable[Progress]]) -> Progress:
    """Until it has ended, or cannot come any more: 504 for one that never began."""
    idle_since = monotonic()
    while True:
        found = await look()
        if found.state in ("ended", "lost"):
            return found
        if found.state != "waiting":
            idle_since = monotonic()
        elif monotonic() - idle_since > BEGINS_WITHIN_S:
            raise Problem(504, "restart_never_began", NEVER_BEGAN, number=found.number)
        await sleep(_LOOK_EVERY_S)


NEVER_BEGAN = (
    "The restart never began: no worker took it. It stays asked for. Start a worker that serves the queue"
    " maintenance, for example with `slotbeat worker`."
)
