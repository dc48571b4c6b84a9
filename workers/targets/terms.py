"""What one attempt may do, and how long."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.rules.allowed import Allowed


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an attempt may spend before it is ended; None: as much as it likes."""

    turns: int | None = None
    tokens: int | None = None
    micros: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """Both deadlines are in seconds of CLOCK_BOOTTIME; `variables` is what every payload sees."""

    variables: Mapping[str, str]
    deadline: float
    run_deadline: float
    abort_grace_s: float
    token: int
    keeper: str | None = None
    max_turns: int | None = None
    allowance: Allowance = field(default=Allowance())
    allowed: Allowed = field(default=Allowed())
    about: Mapping[str, str] | None = None
    # What an earlier attempt left running elsewhere, where that is to be cancelled instead.
    cancel: str | None = None
    # Done once, in the first moment in which the payload neither says anything nor ends.
    meanwhile: Callable[[], None] = lambda: None
