"""Pauses until a moment end by themselves, when Postgres's clock has come to it (SCH-11)."""

from uuid import UUID

from beat.due import set_aside
from shared.admission import Admission
from shared.events import event
from shared.rules.missed import SkipRange
from shared.rules.planning import Standing, Timing, passed_by, replan
from shared.rules.refused import RefusedValueError
from shared.store import activity, due, schedule_edits, schedules
from shared.store.connection import Postgres
from shared.store.schedules import Schedule

_MOST = 500
# Its bounds leave no occurrence, so there is nothing to resume to.
_OVER = ("no_occurrence", "run_at_past")


def end_pauses(admission: Admission) -> int:
    """Resumes schedules whose pause was until now, from now on; how many pauses ended.

    One of which no occurrence is left ends with its pause; one that cannot be computed is set aside.
    """
    held: list[UUID] = []
    with admission.database.transaction() as connection:
        ended = schedules.lock_ended_pauses(connection, _MOST)
        for known in ended:
            try:
                with connection.transaction():
                    held += _resume(connection, known)
            except Exception as error:  # noqa: BLE001 whatever is wrong with one row, the others are due
                set_aside(connection, known, error)
    if held:
        admission.offer_again(held)
    return len(ended)


def _resume(connection: Postgres, known: Schedule) -> list[UUID]:
    """What was held of it, to be offered again."""
    timing, now = Timing.of(known), schedules.now(connection)
    standing = Standing.of(known, schedule_edits.newest_decided(connection, known.id))
    try:
        planned = replan(timing, timing, standing, now)
    except RefusedValueError as error:
        if error.code not in _OVER:
            raise
        _record(connection, known, passed_by(timing, standing, now), "schedule_ended")
        schedule_edits.end(connection, known.id)
    else:
        _record(connection, known, planned.skipped, "schedule_resumed")
        schedule_edits.resume(connection, known.id, planned.next_run_at)
    return schedule_edits.queued(connection, known.id)


def _record(connection: Postgres, known: Schedule, skipped: tuple[SkipRange, ...], what: str) -> None:
    due.add_skips(connection, [due.NewSkip.of(known.id, it) for it in skipped])
    body = {"schedule_id": str(known.id), "paused_reason": known.paused_reason, "paused_by": known.paused_by}
    deed = activity.Deed(what, "slotbeat", body, workspace=known.workspace_id, schedule=known.id)
    activity.add(connection, deed)
    event(f"schedule.{what.removeprefix('schedule_')}", schedule=known.id, by="slotbeat")
