"""Before a payload: is its workspace fit to run it? A dead one costs a moment, and is restarted meanwhile."""

from collections.abc import Callable

import psycopg

from shared import health
from shared.events import event, trouble
from shared.restarts import ask
from shared.rules.fitness import Verdict
from shared.rules.reasons import Reason
from shared.store import workspaces
from shared.store.attempts import Attempt
from workers.adapters.events import Event
from workers.outcome import Outcome
from workers.station import Station


def preflight(station: Station, attempt: Attempt, tell: Callable[[list[Event]], None]) -> Outcome | None:
    """None: it may run, for it is fit, or nothing says that it is dead. Else how the attempt ends."""
    if attempt.health_url is None and attempt.workspace_status != "failed":
        return None
    try:
        found = health.run(health.examine(attempt.workspace_status, attempt.health_url, _within_s(station)))
    except Exception as error:  # noqa: BLE001 a look that failed says nothing about the workspace
        trouble("preflight.failed", error, workspace=attempt.workspace_id)
        return None
    if found.verdict == Verdict.DEAD:
        return _refused(station, attempt, found, tell)
    if attempt.workspace_status == "failed" and found.verdict == Verdict.FIT:
        _write(station, attempt, fit=True)
    return None


def _within_s(station: Station) -> float:
    """What it may take of the lease, which nobody renews before there is a guard."""
    settings = station.settings
    return min(settings.preflight_s, (settings.lease_seconds - settings.guard_margin_s) / 2)


def _refused(station: Station, attempt: Attempt, found: health.Health, tell: Callable[[list[Event]], None]) -> Outcome:
    restart = _write(station, attempt, fit=False)
    event("workspace.dead", workspace=attempt.workspace_id, firing=attempt.firing_id, detail=found.detail)
    why = {
        "error": Reason.WORKSPACE_UNAVAILABLE.value,
        "workspace": attempt.workspace,
        "status": attempt.workspace_status,
        "asked": found.asked,
        "http_status": found.http_status,
        "detail": found.detail,
        "restart": restart,
    }
    tell([Event("error", dict(why))])
    asked = f"GET {found.asked}: " if found.asked else ""
    words = f"Workspace {attempt.workspace} is not fit to run anything: {asked}{found.detail}. {_RESTART[restart]}"
    return Outcome(Reason.WORKSPACE_UNAVAILABLE, words)


_RESTART = {
    "asked": "A restart was asked for.",
    "none": "It has no restart_command and no restart_url.",
    "unknown": "Whether it can be restarted could not be looked up.",
}


def _write(station: Station, attempt: Attempt, *, fit: bool) -> str:
    """Writes what was found, and asks for a restart of what is dead; `asked`, `none`, or `unknown`."""
    try:
        connection = station.database.connection()
        workspaces.found(connection, attempt.workspace_id, fit=fit)
        known = workspaces.hooks(connection, attempt.workspace_id)
        if fit or known is None or not known.restarts:
            return "none"
        ask(connection, station.admission.app, attempt.workspace_id)
    except psycopg.Error as error:
        trouble("preflight.not_written", error, workspace=attempt.workspace_id)
        return "unknown"
    return "asked"
