"""Schedules are made, edited and removed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Rollback
from psycopg.errors import UniqueViolation
from uuid_utils.compat import uuid7

from console.deeds.gate import tell
from console.problems import Problem, Wrong, invalid, not_found, refused
from shared.admission import Admission
from shared.rules.cron import parse_cron
from shared.rules.cron_notes import Note, saturation
from shared.rules.jitter import jitter
from shared.rules.planning import Plan, Standing, Timing, check, plan, refuse_past_start, replan
from shared.rules.refused import RefusedValueError
from shared.rules.text import clean_json
from shared.store import activity, due, idempotency, schedule_edits, schedules, workspaces
from shared.store.connection import Database, Postgres
from shared.store.idempotency import Repeat
from shared.store.schedules import WRITABLE, Schedule

_TIMING = tuple(it for it in Timing.__slots__ if it != "id")
# An edit of these changes when it runs. Of the others, no occurrence may be lost: it stays due when it was.
_WHEN = ("kind", "cron", "run_at", "timezone", "jitter_s", "start_at", "end_at")


@dataclass(frozen=True)
class Saved:
    """A schedule as it was saved, and what its owner should hear."""

    schedule: Schedule
    warnings: tuple[Note, ...]


def create(
    database: Database, values: Mapping[str, Any], actor: str, repeat: Repeat | None = None, *, dry_run: bool = False
) -> Saved:
    """Makes a schedule, due at its first occurrence from now on; with `dry_run` answers what would be, and no more."""
    made = uuid7()
    try:
        with database.transaction() as connection:
            _need_workspace(connection, values["workspace_id"])
            planned = _plan(connection, made, values)
            schedules.add(connection, made, _planned(values, planned), planned.next_run_at)
            body = {"schedule_id": str(made), "name": values["name"]}
            _log(connection, "schedule_created", actor, values["workspace_id"], made, body)
            if repeat is not None:
                idempotency.keep(connection, repeat, made)
            saved = _get(connection, made)
            done = Saved(saved, planned.notes + _saturation(saved, schedules.now(connection)))
            if dry_run:
                raise Rollback
    except UniqueViolation:
        raise _name_taken(database, values) from None
    return done


def edit(
    database: Database,
    schedule: UUID,
    values: Mapping[str, Any],
    actor: str,
    if_match: frozenset[int] | None = None,
    *,
    dry_run: bool = False,
) -> Saved:
    """Changes the values given; the others stay. Where nothing changes, nothing is written."""
    try:
        with database.transaction() as connection:
            known = lock_fresh(connection, schedule, if_match)
            if known.status == "archived":
                raise archived(known)
            done = _edit(connection, known, values, actor)
            if dry_run:
                raise Rollback
    except UniqueViolation:
        raise _name_taken(database, {**vars(_get(database.connection(), schedule)), **values}) from None
    return done


def _edit(connection: Postgres, known: Schedule, values: Mapping[str, Any], actor: str) -> Saved:
    before = {it: getattr(known, it) for it in WRITABLE}
    after = {**before, **values}
    changed = {it for it in WRITABLE if before[it] != after[it]}
    if "workspace_id" in changed:
        _need_workspace(connection, after["workspace_id"])
    planned = None
    if changed & set(_WHEN):
        planned = _replan(connection, known, after, start_is_new="start_at" in changed)
        after = _planned(after, planned)
        changed = {it for it in WRITABLE if before[it] != after[it]}
    else:
        _check(known.id, after)
    if not changed:
        return Saved(known, ())
    changes = clean_json({it: {"from": _told(before[it]), "to": _told(after[it])} for it in sorted(changed)})
    assert isinstance(changes, dict)
    skips = known.skip_next_at if planned is None or _next(known.id, after, planned) == known.skip_next_at else None
    _write(connection, schedule_edits.Edit(known.id, after, changes, actor, skip_next_at=skips), planned)
    _log(connection, "schedule_edited", actor, after["workspace_id"], known.id, {"changed": sorted(changed)})
    saved = _get(connection, known.id)
    return Saved(saved, planned.notes + _saturation(saved, schedules.now(connection)) if planned else ())


def _next(schedule: UUID, values: Mapping[str, Any], planned: Plan) -> datetime:
    """Its next occurrence, not when that starts: jitter comes on top of it."""
    return planned.next_run_at - jitter(schedule, values["jitter_s"])


def _saturation(saved: Schedule, now: datetime) -> tuple[Note, ...]:
    """A note where a firing outlasts the time to the next one, as far as is known: by experience, or by its lease."""
    if saved.cron is None:
        return ()
    lasts = timedelta(seconds=saved.max_run_seconds) if saved.max_run_seconds else None
    if saved.avg_duration_ms is not None:
        lasts = timedelta(milliseconds=saved.avg_duration_ms)
    return saturation(parse_cron(saved.cron), ZoneInfo(saved.timezone), now, lasts, saved.overlap)


def _write(connection: Postgres, edit: schedule_edits.Edit, planned: Plan | None) -> None:
    if planned is not None:
        edit = replace(edit, next_run_at=planned.next_run_at, since=planned.since)
        skipped = [due.NewSkip.of(edit.schedule, it, "its times were edited") for it in planned.skipped]
        due.add_skips(connection, skipped)
    schedule_edits.write(connection, edit)


def remove(admission: Admission, schedule: UUID, actor: str, if_match: frozenset[int] | None) -> None:
    """Deletes a schedule, or archives one that has a history.

    What waits of it is cancelled; what runs goes on, and is not tried again.
    """
    with admission.database.transaction() as connection:
        known = lock_fresh(connection, schedule, if_match)
        waiting = cancel_waiting(connection, known, actor)
        schedule_edits.grant_no_more_attempts(connection, schedule)
        if known.status == "archived":
            return
        answer = schedule_edits.remove(connection, schedule)
        body = {"schedule_id": str(schedule), "name": known.name}
        _log(connection, f"schedule_{answer}", actor, known.workspace_id, schedule, body)
    if waiting:
        tell("remove schedule", lambda: admission.withdraw(waiting))


def cancel_waiting(connection: Postgres, known: Schedule, actor: str) -> list[UUID]:
    """Ends the firings of a schedule that wait; withdraw them from the gate after the commit."""
    cancelled = schedule_edits.cancel_queued(connection, known.id)
    for firing in cancelled:
        body = {"firing_id": str(firing), "schedule_id": str(known.id)}
        about: dict[str, Any] = {"workspace": known.workspace_id, "schedule": known.id, "firing": firing}
        activity.add(connection, activity.Deed("firing_cancelled", actor, body, **about))
    return cancelled


def lock_fresh(connection: Postgres, schedule: UUID, if_match: frozenset[int] | None = None) -> Schedule:
    """The schedule, locked: 404 if there is none, 412 if it is not the revision that the caller knows."""
    known = schedules.lock(connection, schedule)
    if known is None:
        raise not_found("schedule", schedule)
    if if_match is not None and known.revision not in if_match:
        detail = f"It is at revision {known.revision} by now. Read it again, then repeat your edit."
        raise Problem(412, "stale_revision", detail, revision=known.revision)
    return known


def _timing_of(schedule: UUID, values: Mapping[str, Any]) -> Timing:
    return Timing(id=schedule, **{it: values[it] for it in _TIMING})


def archived(known: Schedule) -> Problem:
    """409: it has ended or was deleted."""
    detail = f"Schedule {known.name} is archived: it has ended or was deleted. Make a new one."
    return Problem(409, "schedule_archived", detail)


def _plan(connection: Postgres, schedule: UUID, values: Mapping[str, Any]) -> Plan:
    now = schedules.now(connection)
    try:
        refuse_past_start(values["start_at"], now)
        return plan(_timing_of(schedule, values), now)
    except RefusedValueError as error:
        raise refused(error) from error


def _replan(connection: Postgres, known: Schedule, values: Mapping[str, Any], *, start_is_new: bool) -> Plan:
    now = schedules.now(connection)
    try:
        if start_is_new:
            refuse_past_start(values["start_at"], now)
        standing = Standing.of(known, schedule_edits.newest_decided(connection, known.id))
        return replan(Timing.of(known), _timing_of(known.id, values), standing, now)
    except RefusedValueError as error:
        raise refused(error) from error


def _check(schedule: UUID, values: Mapping[str, Any]) -> None:
    try:
        check(_timing_of(schedule, values))
    except RefusedValueError as error:
        raise refused(error) from error


def _planned(values: Mapping[str, Any], planned: Plan) -> dict[str, Any]:
    return {**values, "cron": planned.cron, "timezone": planned.timezone}


def _need_workspace(connection: Postgres, workspace: UUID) -> None:
    found = workspaces.get(connection, workspace)
    if found is None or found.status == "removed":
        told = f"There is no workspace {workspace}, or it was removed. List them with GET /api/workspaces."
        raise invalid(Wrong("workspace_id", "workspace_unknown", told))


def _name_taken(database: Database, values: Mapping[str, Any]) -> Problem:
    there = schedules.id_of(database.connection(), values["workspace_id"], values["name"])
    detail = "Its workspace has a schedule of that name already. Edit that one, or choose another name."
    return Problem(409, "name_taken", detail, existing_id=there)


def _get(connection: Postgres, schedule: UUID) -> Schedule:
    known = schedules.get(connection, schedule)
    assert known is not None
    return known


def _log(connection: Postgres, what: str, actor: str, workspace: UUID, schedule: UUID, body: dict[str, Any]) -> None:
    activity.add(connection, activity.Deed(what, actor, body, workspace=workspace, schedule=schedule))


def _told(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
