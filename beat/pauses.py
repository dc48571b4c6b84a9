"""Pauses until a moment end by themselves, when Postgres's clock has come to it (SCH-11)."""

from uuid import UUID

from beat.due import set_aside
from shared import resuming
from shared.admission import Admission
from shared.events import trouble
from shared.rules.refused import RefusedValueError
from shared.store import schedules
from shared.store.connection import AWAY, Postgres
from shared.store.schedules import Schedule

_ACTOR = "slotbeat"
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
            except AWAY as error:  # of a lock, a deadlock, a timeout: the next tick tries again
                if connection.closed:
                    raise
                trouble("pause.not_ended", error, schedule=known.id)
            except Exception as error:  # noqa: BLE001 whatever is wrong with one row, the others are due
                set_aside(connection, known.id, known.workspace_id, error)
    if held:
        admission.offer_again(held)
    return len(ended)


def _resume(connection: Postgres, known: Schedule) -> list[UUID]:
    """What was held of it, to be offered again."""
    try:
        return resuming.resume(connection, known, _ACTOR)
    except RefusedValueError as error:
        if error.code not in _OVER:
            raise
        return resuming.end(connection, known, _ACTOR)
