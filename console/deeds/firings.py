"""Firings are started by hand, repeated, and cancelled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from console.callers import calling
from console.deeds import fleet
from console.deeds.gate import AWAY
from console.deeds.schedules import archived
from console.problems import Problem, Wrong, gate_unavailable, invalid, not_found
from shared.admission import Admission
from shared.answers import Full
from shared.events import trouble
from shared.rules.budgets import is_used_up
from shared.rules.eta import in_words, look_again_s, slot_eta
from shared.rules.fitness import ADMITS
from shared.rules.reasons import Reason
from shared.rules.scopes import Scope
from shared.rules.states import TERMINAL, State, may_move
from shared.settings import read
from shared.store import (
    activity,
    budgets,
    estimates,
    firing_detail,
    firings,
    schedules,
    settings,
    workspaces,
)
from shared.store.activity import Deed
from shared.store.connection import Database, Postgres
from shared.store.idempotency import Repeat
from shared.store.schedules import Schedule


@dataclass(frozen=True)
class How:
    """How a firing is asked for: past the caps, or to wait in line where there is no room; by whom; perhaps again."""

    forced: bool
    queue: bool
    actor: str
    repeat: Repeat | None = None


def execute(admission: Admission, schedule: UUID, changes: Mapping[str, Any], how: How) -> UUID:
    """Runs a schedule now; `changes` are of prompt, target and max_turns, for this one firing."""
    connection = admission.database.connection()
    known = schedules.get(connection, schedule)
    if known is None:
        raise not_found("schedule", schedule)
    if known.status == "archived":
        raise archived(known)
    if known.status == "paused":
        why = known.pause_note or known.paused_reason or "no reason given"
        raise Problem(409, "schedule_paused", f"Schedule {known.name} is paused ({why}). Resume it first.")
    _need_fit(workspaces.get(connection, known.workspace_id), how)
    made = _of_schedule(connection, known, how)
    return _run(admission, replace(made, **changes), how, {"changed": sorted(changes)} if changes else {})


def ad_hoc(admission: Admission, values: Mapping[str, Any], how: How) -> UUID:
    """Runs something once, without a schedule."""
    connection = admission.database.connection()
    there = workspaces.get(connection, values["workspace_id"])
    if there is None:
        told = f"There is no workspace {values['workspace_id']}. List them with GET /api/workspaces."
        raise invalid(Wrong("workspace_id", "workspace_unknown", told))
    _need_fit(there, how)
    defaults = read(table=settings.load(connection))
    given: dict[str, Any] = {**values, "max_run_seconds": values["max_run_seconds"] or defaults.max_run_seconds}
    made = firings.ByHand(
        **given,
        id=uuid7(),
        schedule_id=None,
        source="adhoc",
        forced=how.forced,
        schedule_revision=None,
    )
    return _run(admission, _with_default_turns(made, defaults.max_turns), how)


def rerun(admission: Admission, firing: UUID, how: How) -> UUID:
    """Makes a new firing of one that has ended, with what that one was given."""
    connection = admission.database.connection()
    old = firing_detail.given(connection, firing)
    if old is None:
        raise not_found("firing", firing)
    if old.status not in TERMINAL:
        detail = f"Firing {firing} is {old.status}: wait for its end, or cancel it first."
        raise Problem(409, "firing_not_ended", detail, state=old.status)
    _need_fit(workspaces.get(connection, old.workspace_id), how)
    values = {it: value for it, value in vars(old).items() if it not in ("status", "workspace_status")}
    made = firings.ByHand(**values, id=uuid7(), source="rerun", forced=how.forced)
    return _run(admission, made, how, {"rerun_of": str(firing)})


def cancel(admission: Admission, firing: UUID, actor: str) -> Literal["cancelled", "aborting"]:
    """Ends one that waits at once, asks for the end of one that runs; 409 where there is nothing left to end."""
    known = firings.get(admission.database.connection(), firing)
    if known is None:
        raise not_found("firing", firing)
    body = {"firing_id": str(firing), "schedule_id": known.schedule_id and str(known.schedule_id)}
    about: dict[str, Any] = {"workspace": known.workspace_id, "schedule": known.schedule_id, "firing": firing}
    deed = Deed("firing_cancelled", actor, body, **about)
    try:
        answer = admission.cancel(firing, Reason.CANCELLED, deed)
        if answer == "cancelled" and known.schedule_id is not None:
            admission.offer_next_of([known.schedule_id])  # as whoever ends a firing does
    except AWAY as error:
        # The rows were written first; that the gate does not know yet delays nothing but its slot.
        trouble("gate.not_told", error, deed="cancel", firing=firing)
        answer = "untold"
    after = firings.get(admission.database.connection(), firing)
    assert after is not None
    if after.status == "cancelled":
        return "cancelled"
    if answer == "aborting" or may_move(after.status, State.CANCELLED):
        return "aborting"
    detail = f"Firing {firing} is {after.status}, so there is nothing to cancel."
    raise Problem(409, "firing_ended", detail, state=after.status)


def _need_budget(connection: Postgres, made: firings.ByHand, how: How) -> None:
    if how.forced or how.queue:
        return
    for it in budgets.of_firing(connection, made.schedule_id, made.workspace_id):
        told, until = f"The budget {it.key} of the last 24 hours is used up", "spend is a day old"
        if not is_used_up(it.measures()):
            # A claim would be refused and the firing wait, although it was to start at once.
            told, until = f"What the budget {it.key} has left is held for what runs", "that ends"
            if not is_used_up((name, budget, spent + held) for name, budget, spent, held in it.with_held()):
                continue
        detail = f"{told}. Raise it, wait in line with ?queue=true until {until}, or go past it with ?force=true."
        raise Problem(409, "budget_used_up", detail, budget=it.key)


def _of_schedule(connection: Postgres, known: Schedule, how: How) -> firings.ByHand:
    defaults = read(table=settings.load(connection))
    made = firings.ByHand(
        id=uuid7(),
        schedule_id=known.id,
        workspace_id=known.workspace_id,
        source="manual",
        title=known.name,
        prompt=known.prompt,
        target=known.target,
        priority=known.priority,
        lane=known.lane,
        forced=how.forced,
        max_turns=known.max_turns,
        max_run_seconds=known.max_run_seconds or defaults.max_run_seconds,
        max_attempts=known.max_attempts,
        retry_backoff_s=known.retry_backoff_s,
        schedule_revision=known.revision,
        success_check=known.success_check,
    )
    return _with_default_turns(made, defaults.max_turns)


def _with_default_turns(made: firings.ByHand, default: int | None) -> firings.ByHand:
    return made if made.max_turns is not None else replace(made, max_turns=default)


def _run(admission: Admission, made: firings.ByHand, how: How, more: Mapping[str, Any] | None = None) -> UUID:
    if how.forced:
        _need_force(admission.database, made, how)
    made = replace(made, repeat=how.repeat)
    _need_budget(admission.database.connection(), made, how)
    try:
        full = admission.run_now(made, _deed(made, how, more or {}), queue=how.queue)
    except AWAY as error:
        if firings.get(admission.database.connection(), made.id) is None:
            trouble("gate.unavailable", error)
            raise gate_unavailable() from error
        # It is a row already: the reconciler publishes what nobody claims.
        trouble("gate.not_told", error, deed="run", firing=made.id)
        full = None
    if full is not None:
        raise _no_room(admission.database, full)
    return made.id


def _need_force(database: Database, made: firings.ByHand, how: How) -> None:
    """Here and not at the doors: whichever way somebody comes, to go past the caps needs the scope."""
    try:
        calling().need(Scope.FORCE)
    except Problem as problem:
        about: dict[str, Any] = {"workspace": made.workspace_id, "schedule": made.schedule_id}
        body = {"schedule_id": made.schedule_id and str(made.schedule_id), "source": made.source}
        refused_deed = Deed("force_refused", how.actor, body, "error", problem.detail, **about)
        activity.add(database.connection(), refused_deed)
        raise


def _deed(made: firings.ByHand, how: How, more: Mapping[str, Any]) -> Deed:
    body = {"firing_id": str(made.id), "forced": how.forced, "queue": how.queue, **more}
    if made.schedule_id is not None:
        body["schedule_id"] = str(made.schedule_id)
    about: dict[str, Any] = {"workspace": made.workspace_id, "schedule": made.schedule_id, "firing": made.id}
    return Deed("manual_force_bypass" if how.forced else "manual_run", how.actor, body, **about)


def _need_fit(there: workspaces.Workspace | None, how: How) -> None:
    assert there is not None
    if there.status == "removed":
        raise Problem(409, "workspace_removed", f"Workspace {there.name} was removed: nothing runs in it any more.")
    if there.status not in ADMITS and not how.queue:
        detail = f"Workspace {there.name} is {there.status}. Wait for it, or put the firing in line: ?queue=true."
        raise Problem(409, "workspace_not_ready", detail, state=there.status)


def _no_room(database: Database, full: Full) -> Problem:
    paused = fleet.current(database) if full.draining else None
    if paused is not None:
        why = f" ({paused.note})" if paused.note else ""
        detail = f"The fleet is paused by {paused.paused_by}{why}, so nothing starts. Resume it: slotbeat resume."
        return Problem(409, "draining", detail, limit=full.limit)
    if full.draining:
        detail = f"The limit {full.limit} is at cap 0, which stops all admission. Raise its cap first."
        return Problem(409, "draining", detail, limit=full.limit)
    known = estimates.busy(database.connection(), full.limit)
    eta = slot_eta(known.cap, known.ends, known.ahead)
    detail = (
        f"The limit {full.limit} is full; {in_words(eta)}."
        " Try again, wait in line with ?queue=true, or go past the caps with ?force=true."
    )
    told: dict[str, Any] = {"slot_eta_s": int(eta.seconds), "slot_eta_measured": eta.measured, "limit": full.limit}
    return Problem(429, "capacity_full", detail, headers={"Retry-After": str(look_again_s(eta))}, **told)
