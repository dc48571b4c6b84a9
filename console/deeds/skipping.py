"""A schedule's next occurrence is skipped, once, or is not after all."""

from datetime import datetime
from typing import Any
from uuid import UUID

from console.deeds.schedules import archived, lock_fresh
from console.problems import Problem
from shared.rules.jitter import jitter
from shared.store import activity, schedule_edits, schedules
from shared.store.connection import Database
from shared.store.schedules import Schedule


def skip_next(database: Database, schedule: UUID, actor: str, meant: datetime | None = None) -> Schedule:
    """Takes out the next occurrence: when its time has come it is recorded as a skip. The one after runs.

    With `meant`, when the one starts that is to be skipped: 409 where the next one is another by now.
    """
    with database.transaction() as connection:
        known = lock_fresh(connection, schedule)
        if known.status == "archived":
            raise archived(known)
        if known.status == "paused" or known.next_run_at is None:
            detail = f"Schedule {known.name} is {known.status}, so there is nothing to skip. Resume it first."
            raise Problem(409, "nothing_to_skip", detail, state=known.status)
        # The occurrence, not when it starts: jitter comes on top of it.
        at = known.next_run_at - jitter(known.id, known.jitter_s)
        if meant is not None and meant != known.next_run_at:
            detail = f"The occurrence that was meant is not the next one any more: that is at {at:%Y-%m-%d %H:%M} UTC."
            raise Problem(409, "occurrence_changed", f"{detail} Nothing was skipped.", next_at=at.isoformat())
        if known.skip_next_at != at:
            schedule_edits.skip_next(connection, schedule, at)
            body = {"schedule_id": str(schedule), "occurrence": at.isoformat()}
            about: dict[str, Any] = {"workspace": known.workspace_id, "schedule": schedule}
            activity.add(connection, activity.Deed("next_skipped", actor, body, **about))
        after = schedules.get(connection, schedule)
    assert after is not None
    return after


def keep_next(database: Database, schedule: UUID, actor: str) -> Schedule:
    """The next occurrence runs after all; also where nobody had asked to skip it."""
    with database.transaction() as connection:
        known = lock_fresh(connection, schedule)
        if known.skip_next_at is not None:
            schedule_edits.skip_next(connection, schedule, None)
            body = {"schedule_id": str(schedule), "occurrence": known.skip_next_at.isoformat()}
            about: dict[str, Any] = {"workspace": known.workspace_id, "schedule": schedule}
            activity.add(connection, activity.Deed("next_kept", actor, body, **about))
        after = schedules.get(connection, schedule)
    assert after is not None
    return after
