"""Single-flight restart of a workspace: one runs, and however many ask meanwhile, exactly one more follows."""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.clock import boottime
from shared.events import event, trouble
from shared.restarts import hint
from shared.rules.allowed import check_command
from shared.rules.refused import RefusedValueError
from shared.store import activity, restarts, workspaces
from shared.store.connection import AWAY, Postgres
from shared.store.restarts import Begun, End
from workers import aside, hook
from workers.station import Station

# Between the last moment of a hook and the end of its lease: the guard's own end, and writing how it went.
_MARGIN_S = 5.0
_TRY_AGAIN_S = 0.25
# A restart that was wanted so long ago and has not begun: its hint may be lost.
_HINT_AGAIN_AFTER = timedelta(seconds=5)
_LOST = "its worker gave no sign of its end until its time was over"


@dataclass(frozen=True)
class Ours:
    """A restart that is ours, its workspace's hooks, and the moment before it was asked for."""

    begun: Begun
    hooks: workspaces.Hooks | None
    asked_at: float


def begin(station: Station, workspace: UUID) -> bool:
    """Restarts it beside the tasks of this process; False when there is no place, and a later hint will do."""
    return aside.begin(f"restart {workspace}", lambda: restart(station, workspace))


def restart(station: Station, workspace: UUID) -> None:
    """Runs the restart that is wanted, if none runs; then hints at the next one, if that is wanted by now."""
    try:
        ours = _take(station, workspace)
        if ours is None:
            return
        event("restart.begun", workspace=workspace, number=ours.begun.number)
        error = _run(station, ours)
        took_ms = round((boottime() - ours.asked_at) * 1000)
        end = End("ok" if error is None else "failed", error, took_ms)
        if _end_surely(station, ours, end):
            hint(station.admission.app, workspace)
    finally:
        station.database.close()  # this thread's


def _take(station: Station, workspace: UUID) -> Ours | None:
    asked_at = boottime()
    lease = timedelta(seconds=station.refresh().restart_timeout_s + _grace_s(station) + _MARGIN_S)
    with station.database.transaction() as connection:
        _log_lost(connection, restarts.give_up_lost(connection, _LOST, workspace))
        begun = restarts.begin(connection, workspace, station.worker.id, lease)
        if begun is None:
            return None
        return Ours(begun, workspaces.hooks(connection, workspace), asked_at)


def _grace_s(station: Station) -> float:
    return min(station.settings.abort_grace_s, hook.LONGEST_GRACE_S)


def _run(station: Station, ours: Ours) -> str | None:
    """None when it went well; else why not."""
    known = ours.hooks
    if known is None or known.status == "removed" or not known.restarts:
        return "there is nothing to restart it with any more"
    deadline = ours.asked_at + station.settings.restart_timeout_s
    try:
        if known.restart_command is not None:
            check_command(known.restart_command, (), station.settings.allowed)
        return hook.run(station, hook_of(known, ours.begun.number), hook.Times(deadline, _grace_s(station)))
    except RefusedValueError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 whatever went wrong, the restart must not stay running
        trouble("restart.failed", error, workspace=known.id)
        return f"{type(error).__name__}: {error}"


def hook_of(known: workspaces.Hooks, number: int) -> hook.Hook:
    """The command where there is one, else the call; the number tells a callee which restart this is."""
    if known.restart_command is not None:
        return hook.Hook(known.restart_command, "", known.name)
    body = {"workspace_id": str(known.id), "workspace": known.name, "restart": number}
    return hook.by_post(known.restart_url or "", known.name, body, {"Idempotency-Key": f"{known.id}:{number}"})


def _end_surely(station: Station, ours: Ours, end: End) -> bool:
    """Writes the end, again and again while Postgres is away, as long as it is ours; whether one more is wanted."""
    give_up_at = ours.asked_at + station.settings.restart_timeout_s + _grace_s(station) + _MARGIN_S
    while True:
        try:
            return _end(station, ours, end)
        except AWAY as error:
            trouble("restart.not_written", error, workspace=ours.begun.workspace_id)
            if boottime() >= give_up_at:
                return False
            time.sleep(_TRY_AGAIN_S)


def _end(station: Station, ours: Ours, end: End) -> bool:
    workspace = ours.begun.workspace_id
    with station.database.transaction() as connection:
        more = restarts.end(connection, ours.begun, end)
        if more is None:
            event("restart.fenced", workspace=workspace, number=ours.begun.number, late=end.outcome)
            return False
        _log(connection, ours.begun, end)
        if end.outcome == "ok":
            workspaces.found(connection, workspace, fit=True)
    event("restart.ended", workspace=workspace, number=ours.begun.number, outcome=end.outcome, error=end.error)
    return more


def _log(connection: Postgres, begun: Begun, end: End) -> None:
    deed = activity.Deed(
        "workspace_restarted",
        "worker",
        {"number": begun.number, "outcome": end.outcome},
        status="ok" if end.outcome == "ok" else "error",
        error=end.error,
        workspace=begun.workspace_id,
        duration_ms=end.duration_ms,
    )
    activity.add(connection, deed)


def _log_lost(connection: Postgres, lost: list[Begun]) -> None:
    for it in lost:
        _log(connection, it, End("lost", _LOST, None))
        event("restart.lost", workspace=it.workspace_id, number=it.number)


def tidy(station: Station) -> None:
    """For the reaper: gives up what its process has lost, and hints again at what nobody has begun."""
    with station.database.transaction() as connection:
        _log_lost(connection, restarts.give_up_lost(connection, _LOST))
    for workspace in restarts.unbegun(station.database.connection(), _HINT_AGAIN_AFTER):
        hint(station.admission.app, workspace)
