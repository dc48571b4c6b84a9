"""Schedules are paused and resumed; both answer the schedule as it is then, also when it was so already."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from console.deeds.gate import tell
from console.deeds.schedules import archived, cancel_waiting, lock_fresh
from console.problems import Problem, Wrong, invalid
from shared import resuming
from shared.admission import Admission
from shared.rules.refused import RefusedValueError
from shared.store import activity, schedule_edits, schedules
from shared.store.connection import Postgres
from shared.store.schedules import Schedule


@dataclass(frozen=True)
class Pause:
    """Why, until when (None: until somebody resumes it), and whether what waits of it ends."""

    note: str | None = None
    until: datetime | None = None
    cancel_queued: bool = False


def pause(admission: Admission, schedule: UUID, wish: Pause, actor: str) -> Schedule:
    """Pauses a schedule: what waits of it is held (or ended), what runs goes on.

    One that is paused until another moment is paused until this one: who asks without one means for good.
    """
    with admission.database.transaction() as connection:
        known = lock_fresh(connection, schedule)
        if known.status == "archived":
            raise archived(known)
        if wish.until is not None and wish.until <= schedules.now(connection):
            raise invalid(Wrong("until", "until_past", "until has passed: leave it out, or give a later moment."))
        if schedule_edits.pause(connection, schedule, actor, wish.note, wish.until):
            body = {"schedule_id": str(schedule), "note": wish.note, "until": wish.until and wish.until.isoformat()}
            deed = activity.Deed("schedule_paused", actor, body, workspace=known.workspace_id, schedule=schedule)
            activity.add(connection, deed)
        waiting = schedule_edits.queued(connection, schedule)
        if wish.cancel_queued:
            waiting = cancel_waiting(connection, known, actor)
        after = schedules.get(connection, schedule)
    if waiting:
        # A pause holds neither a rerun nor what is forced: those are offered again.
        tell("pause", lambda: (admission.withdraw(waiting), admission.offer_again(waiting)))
    assert after is not None
    return after


def resume(admission: Admission, schedule: UUID, actor: str) -> Schedule:
    """Makes a schedule active from now on: nothing that it missed is fired, what was held goes on."""
    with admission.database.transaction() as connection:
        known = lock_fresh(connection, schedule)
        if known.status == "archived":
            raise archived(known)
        if known.status == "active":
            return known
        held = _resume(connection, known, actor)
        after = schedules.get(connection, schedule)
    if held:
        tell("resume", lambda: admission.offer_again(held))
    assert after is not None
    return after


def _resume(connection: Postgres, known: Schedule, actor: str) -> list[UUID]:
    try:
        return resuming.resume(connection, known, actor)
    except RefusedValueError as error:
        detail = f"It cannot be resumed before it is edited: {error.message}"
        raise Problem(409, "cannot_resume", detail) from error
