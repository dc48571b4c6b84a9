"""Over admission: firings that tripped classes of failures hold leave the line, and come back when they close."""

from collections.abc import Sequence

from shared.admission import Admission
from shared.store import failure_classes

_BATCH = 1000


def rearrange(admission: Admission, classes: Sequence[str]) -> None:
    """Takes out of the line what waits at the places of these classes, and offers again what may start.

    If that is lost: the claim answers `held` to what is in line, and the reconciler offers what is not.
    """
    if not classes:
        return
    waiting = failure_classes.queued_under(admission.database.connection(), classes)
    for start in range(0, len(waiting), _BATCH):
        admission.withdraw(waiting[start : start + _BATCH])
        admission.offer_again(waiting[start : start + _BATCH])
