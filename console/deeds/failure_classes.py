"""A tripped class of failures is closed by hand."""

from console.deeds.gate import tell
from console.problems import Problem, not_found
from shared.admission import Admission
from shared.held import rearrange
from shared.store import activity, failure_classes
from shared.store.failure_classes import FailureClass


def release(admission: Admission, key: str, actor: str) -> FailureClass:
    """Lets everything go on that a class holds, without waiting for a probe; 409 where it holds nothing."""
    with admission.database.transaction() as connection:
        if failure_classes.release(connection, key, actor):
            activity.add(connection, activity.Deed("class_closed", actor, {"key": key, "by": "hand"}))
            released = True
        else:
            released = False
        known = failure_classes.get(connection, key)
    if known is None:
        raise not_found("failure class", key)
    if not released:
        raise Problem(409, "class_not_tripped", f"The class {key} is not tripped: it holds nothing.")
    tell("release class", lambda: rearrange(admission, [key]))
    return known
