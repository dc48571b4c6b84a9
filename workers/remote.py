"""Cancels what a lost attempt left running elsewhere: a courtesy, for the token fences it anyway."""

from collections.abc import Sequence

from kombu.exceptions import OperationalError

from shared.celery_app import CANCEL_REMOTE, publish_maintenance
from shared.clock import boottime
from shared.events import event, trouble
from shared.rules.allowed import Allowed
from shared.store import remote
from shared.store.remote import Left
from workers.guards import Guards
from workers.outcome import Outcome
from workers.station import Station
from workers.targets import execute
from workers.targets.terms import Terms

# For one call that says "cancel"; the guard ends it then.
_WITHIN_S = 30.0


def ask_for(station: Station, tokens: Sequence[int]) -> None:
    """Sends a task for each of these attempts that left something; a sweep does not wait for other hosts."""
    for left in remote.left_by(station.database.connection(), tokens):
        try:
            publish_maintenance(station.admission.app, CANCEL_REMOTE, left.token)
        except (OperationalError, OSError) as error:
            trouble("remote.not_asked", error, token=left.token)


def cancel(station: Station, token: int) -> bool:
    """Cancels what this attempt left; False where there is nothing, or it could not be done."""
    for left in remote.left_by(station.database.connection(), [token]):
        told = cancel_left(left, station.guards, str(station.installation), station.refresh().allowed)
        event("remote.cancelled", firing=left.firing_id, token=token, ref=left.remote_ref, reason=told.reason)
        return told.reason is None
    return False


def cancel_left(left: Left, guards: Guards, installation: str, allowed: Allowed) -> Outcome:
    """One call in a process of its own, as the attempt itself was."""
    now = boottime()
    variables = {
        "SLOTBEAT_INSTALLATION": installation,
        "SLOTBEAT_FIRING_ID": str(left.firing_id),
        "SLOTBEAT_ATTEMPT": str(left.number),
        "SLOTBEAT_TOKEN": str(left.token),
    }
    terms = Terms(
        variables,
        deadline=now + _WITHIN_S,
        run_deadline=now + _WITHIN_S,
        abort_grace_s=1,
        token=left.token,
        allowed=allowed,
        cancel=left.remote_ref,
    )
    try:
        return execute(left.target, "", terms, guards, lambda _: None)
    except ValueError as error:
        return Outcome("bad_target", str(error))
