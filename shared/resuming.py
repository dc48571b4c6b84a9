"""The end of a pause, by a person or by itself: from now on, and nothing that was missed is fired."""

from uuid import UUID

from shared.events import event
from shared.rules.missed import SkipRange
from shared.rules.planning import Standing, Timing, passed_by, replan
from shared.store import activity, due, schedule_edits, schedules
from shared.store.connection import Postgres
from shared.store.schedules import Schedule


def resume(connection: Postgres, known: Schedule, actor: str) -> list[UUID]:
    """The firings that were held, to be offered again once this is committed; the row is locked by the caller.

    RefusedValueError, before anything is written, where no occurrence is left or none can be computed.
    """
    timing = Timing.of(known)
    planned = replan(timing, timing, _standing(connection, known), schedules.now(connection))
    _record(connection, known, planned.skipped, "schedule_resumed", actor)
    schedule_edits.resume(connection, known.id, planned.next_run_at)
    return schedule_edits.queued(connection, known.id)


def end(connection: Postgres, known: Schedule, actor: str) -> list[UUID]:
    """The same of one whose bounds leave no occurrence: it ends with its pause."""
    passed = passed_by(Timing.of(known), _standing(connection, known), schedules.now(connection))
    _record(connection, known, passed, "schedule_ended", actor)
    schedule_edits.end(connection, known.id)
    return schedule_edits.queued(connection, known.id)


def _standing(connection: Postgres, known: Schedule) -> Standing:
    return Standing.of(known, schedule_edits.newest_decided(connection, known.id))


def _record(connection: Postgres, known: Schedule, skipped: tuple[SkipRange, ...], what: str, actor: str) -> None:
    due.add_skips(connection, [due.NewSkip.of(known.id, it) for it in skipped])
    body = {"schedule_id": str(known.id), "paused_reason": known.paused_reason, "paused_by": known.paused_by}
    deed = activity.Deed(what, actor, body, workspace=known.workspace_id, schedule=known.id)
    activity.add(connection, deed)
    event(f"schedule.{what.removeprefix('schedule_')}", schedule=known.id, by=actor)
