"""Whether a workspace is fit to run something: by its status, and by what its health address answered."""

from dataclasses import dataclass
from enum import StrEnum

# The statuses in which firings start; the view `startable` says the same. In a failed one preflight decides.
ADMITS = frozenset({"online", "degraded", "failed"})


class Verdict(StrEnum):
    """`unknown`: nobody can be asked. Only `dead` keeps anything from running."""

    FIT = "fit"
    DEAD = "dead"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question came to: an HTTP status, or `refused`, `unknown_host`, `timeout`, `broken`."""

    status: int | None = None
    trouble: str | None = None


# What says "not now" and not "never": the server is there, and busy.
_BUSY = frozenset({408, 425, 429})
# Nobody is there. Said once it may be a restart under way, or a name server that was too slow.
_NOBODY = frozenset({"refused", "unknown_host"})


def is_final(answer: Answer) -> bool:
    """Whether asking once more would tell nothing new."""
    return answer.trouble not in _NOBODY


def judge(answers: list[Answer]) -> Verdict:
    """The verdict on one question, or on two of which the first found nobody."""
    last = answers[-1]
    if last.status is not None:
        if last.status < 400:
            return Verdict.FIT
        return Verdict.TRANSIENT if last.status in _BUSY else Verdict.DEAD
    refused = [it for it in answers if it.trouble in _NOBODY]
    return Verdict.DEAD if len(refused) > 1 else Verdict.TRANSIENT


def without_address(status: str) -> Verdict:
    """The verdict on a workspace that nobody can ask: all there is to go by is its status."""
    return Verdict.DEAD if status == "failed" else Verdict.UNKNOWN
