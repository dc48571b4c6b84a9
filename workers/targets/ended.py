"""How a payload ended: what its guard says, what it said itself, and which reason follows."""

import signal
from contextlib import suppress
from dataclasses import dataclass

from shared.rules.classify import classify
from shared.rules.reasons import Reason
from workers.adapters.events import Usage
from workers.guarded import Gone
from workers.outcome import LONGEST_RESULT, Outcome
from workers.targets.talk import LONGEST_ERROR, Talk
from workers.targets.tally import Tally


@dataclass(frozen=True, slots=True)
class Ended:
    """How a payload ended and what it said; `reason` is None if it did what it was asked to."""

    exit_code: int | None
    signal: int | None
    by: str
    reason: str | None
    is_stated: bool
    error: str | None
    result: str | None
    turns: int
    usage: Usage
    remote_ref: str | None
    retry_after_s: int
    output_tail: str
    dropped_bytes: int
    peak_rss_mb: float | None

    def outcome(self) -> Outcome:
        """The same, as it is settled."""
        reason = self.reason
        if not self.is_stated:
            # Nobody stated why; the words of the error are all there is to go by.
            # A signal says nothing of its own: whether it was for memory, the kernel's count has told already.
            reason = classify(self.error or "", self.exit_code or 1)
        return Outcome(
            reason=reason,
            error=self.error,
            exit_code=self.exit_code if self.signal is None else -self.signal,
            result=(self.result if self.result is not None else self.output_tail)[-LONGEST_RESULT:],
            turns=self.turns,
            input_tokens=self.usage.input_tokens or None,
            output_tokens=self.usage.output_tokens or None,
            cost_micros=self.usage.cost_micros or None,
            peak_rss_mb=self.peak_rss_mb,
            remote_ref=self.remote_ref,
            retry_after_s=self.retry_after_s or None,
        )


def ended(gone: Gone, talk: Talk, killed_for_memory: bool) -> Ended:
    """What guard and payload have told, put together."""
    tally = talk.tally
    reason, is_stated = _reason(gone, tally, killed_for_memory)
    return Ended(
        exit_code=gone.code,
        signal=gone.signal,
        by=gone.by,
        reason=reason,
        is_stated=is_stated,
        error=_error(gone, tally, talk.last_words.text()) if reason or tally.trouble else None,
        result=tally.result,
        turns=tally.turns,
        usage=tally.usage,
        remote_ref=tally.remote_ref,
        retry_after_s=tally.retry_after_s,
        output_tail=talk.tail.text(),
        dropped_bytes=talk.tail.dropped,
        peak_rss_mb=gone.peak_rss_mb,
    )


def _reason(gone: Gone, tally: Tally, killed_for_memory: bool) -> tuple[str | None, bool]:
    """The reason, and whether it was stated; None is success."""
    found = _found(gone, tally, killed_for_memory)
    if found is not None:
        return found, True
    if tally.failed is None and gone.code == 0 and gone.by == "payload":
        return None, True
    stated = tally.reason if tally.failed is None else tally.failed.reason
    return stated or Reason.EXIT_NONZERO, stated is not None


def _found(gone: Gone, tally: Tally, killed_for_memory: bool) -> str | None:
    """What others know better than the payload."""
    if gone.by in {"abort", "refused"}:
        return gone.reason
    if gone.by != "payload":
        return Reason.LEASE_EXPIRED if gone.by == "run_lease" else Reason.WORKER_LOST
    if killed_for_memory:
        return Reason.OOM
    # It was quicker to end than the abort was to arrive: a breach all the same.
    return tally.breach()


def _error(gone: Gone, tally: Tally, last_words: str) -> str:
    if gone.error is not None:
        return gone.error
    if tally.trouble is not None:
        return tally.trouble
    if gone.by != "payload":
        return _WHY.get(gone.by, gone.by)
    if tally.breach() == Reason.BUDGET_EXCEEDED:
        return "It used more than was left of a budget of the last day."
    said = (tally.error or last_words.strip() or "It said nothing on standard error.")[-LONGEST_ERROR:]
    return said if tally.failed is not None and gone.code in (0, 1) else f"{_how(gone)}: {said}"


_WHY = {
    "abort": "The payload was aborted.",
    "run_lease": "The payload ran for longer than its run lease.",
    "deadline": "The lease was not renewed in time, so the guard ended the payload.",
    "lifeline": "The worker process ended, and its guard ended the payload.",
    "keeper": "The worker's keeper ended the payload: its lease is no longer ours.",
    "guard_lost": "The payload's guard was killed; what was left of the payload was ended.",
}


def _how(gone: Gone) -> str:
    if gone.signal is None:
        return f"Exit code {gone.code}"
    with suppress(ValueError):
        return f"Killed by {signal.Signals(gone.signal).name}"
    return f"Killed by signal {gone.signal}"
