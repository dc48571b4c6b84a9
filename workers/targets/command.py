"""Runs a command under a guard: the prompt goes in, events and text come out, in bounded memory."""

import errno
import os
import selectors
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shared.clock import monotonic
from shared.rules.classify import classify
from shared.rules.reasons import Reason
from workers import oom
from workers.guarded import Gone, Payload, Run, guarded
from workers.guards import Guards
from workers.outcome import Outcome
from workers.targets.events import ADAPTERS
from workers.targets.output import Lines, Tail
from workers.targets.tally import BATCH_S, OnEvents, Tally

_CHUNK = 64 * 1024
_TICK_S = 0.5
# What may still be in the pipes when nobody is left to write: a pipe holds at most a megabyte.
_LAST_READS = 32
_LONGEST_ERROR = 4_000
# Of what a firing's row keeps; all that was said is in its events.
LONGEST_RESULT = 64 * 1024
# What a program needs to find itself; everything else of the worker's, its secrets above all, stays behind.
_INHERITED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What one attempt may do and how long; both deadlines in seconds of CLOCK_BOOTTIME."""

    variables: Mapping[str, str]
    deadline: float
    run_deadline: float
    abort_grace_s: float
    token: int
    keeper: str | None = None
    max_turns: int | None = None
    about: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended and what it said; `reason` is None if it did what it was asked to."""

    exit_code: int | None
    signal: int | None
    by: str
    reason: str | None
    error: str | None
    result: str | None
    turns: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    output_tail: str
    dropped_bytes: int
    peak_rss_mb: float | None


def environment(worker: Mapping[str, str], target: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """All that the payload sees; the later wins, so that no target can give itself another token."""
    ours = {name: value for name, value in worker.items() if name in _INHERITED or name.startswith("LC_")}
    return {**ours, **target, **variables}


def run(target: Mapping[str, Any], prompt: str, terms: Terms, guards: Guards, on_events: OnEvents) -> Ended:
    """Returns when nothing of the payload is left, whatever happened."""
    killed_before = oom.kills()
    with guarded(guards) as payload:
        payload.start(_order(target, terms))
        adapter = ADAPTERS[target.get("adapter") or "generic"]
        tally = Tally(adapter, on_events, payload.abort, terms.max_turns)
        talk = _Talk(payload, prompt, tally)
        gone = talk.until_gone()
    guards.prepare()  # for the next one, in case this one cost its guard
    return _ended(gone, talk, oom.kills() > killed_before)


def _order(target: Mapping[str, Any], terms: Terms) -> Run:
    return Run(
        argv=target["argv"],
        env=environment(os.environ, target.get("env") or {}, terms.variables),
        cwd=target.get("cwd"),
        deadline=terms.deadline,
        run_deadline=terms.run_deadline,
        abort_grace_s=terms.abort_grace_s,
        token=terms.token,
        keeper=terms.keeper,
        about=terms.about,
    )


class _Talk:
    """One loop for all of a payload's pipes, so that none of them can block it or us."""

    def __init__(self, payload: Payload, prompt: str, tally: Tally) -> None:
        self._payload, self.tally = payload, tally
        self._prompt = memoryview(prompt.encode("utf-8", errors="replace"))
        self._lines = {payload.stdout: Lines(tally.out), payload.stderr: Lines(tally.err)}
        self._open = set(self._lines)
        self._selector = selectors.DefaultSelector()
        self._tended = monotonic()
        self.tail = Tail()
        self.last_words = Tail(_LONGEST_ERROR)

    def until_gone(self) -> Gone:
        with self._selector:
            self._selector.register(self._payload, selectors.EVENT_READ)
            for file in self._lines:
                self._selector.register(file, selectors.EVENT_READ)
            self._selector.register(self._payload.stdin, selectors.EVENT_WRITE)
            while (gone := self._payload.hear()) is None:
                self._once()
        self._read_the_rest()
        self.tally.flush()
        return gone

    def _once(self) -> None:
        for key, _ in self._selector.select(BATCH_S if self.tally.has_news else _TICK_S):
            if key.fd == self._payload.stdin:
                self._write()
            elif key.fd in self._open:
                self._read(key.fd)
        now = monotonic()
        self.tally.flush_if_due(now)
        if now - self._tended >= _TICK_S:
            self._tended = now
            self._payload.tend()

    def _write(self) -> None:
        try:
            sent = os.write(self._payload.stdin, self._prompt[:_CHUNK]) if self._prompt else 0
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._prompt)  # it does not want to know more
        self._prompt = self._prompt[sent:]
        if not self._prompt:
            self._selector.unregister(self._payload.stdin)
            self._payload.end_of_input()

    def _read(self, file: int) -> bool:
        """Whether there may be more."""
        try:
            chunk = os.read(file, _CHUNK)
        except OSError as error:
            return error.errno == errno.EINTR
        lines = self._lines[file]
        if not chunk:
            self._open.discard(file)
            with suppress(KeyError, ValueError, RuntimeError):
                self._selector.unregister(file)
            lines.end()
            return False
        self.tail.add(chunk)
        if file == self._payload.stderr:
            self.last_words.add(chunk)
        lines.objects_only = self.tally.is_full
        lines.feed(chunk)
        return True

    def _read_the_rest(self) -> None:
        """Not until the end of file: a payload may have given its pipe to a stranger, who keeps it open."""
        for file in list(self._open):
            for _ in range(_LAST_READS):
                if not self._read(file):
                    break
            self._lines[file].end()


def _ended(gone: Gone, talk: _Talk, killed_for_memory: bool) -> Ended:
    tally = talk.tally
    reason = _reason(gone, tally, killed_for_memory)
    return Ended(
        exit_code=gone.code,
        signal=gone.signal,
        by=gone.by,
        reason=reason,
        error=_error(gone, tally, talk.last_words.text()) if reason or tally.trouble else None,
        result=tally.result,
        turns=tally.turns,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost_micros=tally.cost_micros,
        output_tail=talk.tail.text(),
        dropped_bytes=talk.tail.dropped,
        peak_rss_mb=gone.peak_rss_mb,
    )


def _reason(gone: Gone, tally: Tally, killed_for_memory: bool) -> str | None:
    if gone.by in {"abort", "refused"}:
        return gone.reason
    if gone.by != "payload":
        return Reason.LEASE_EXPIRED if gone.by == "run_lease" else Reason.WORKER_LOST
    if tally.over_budget:
        # It was quicker to end than the abort was to arrive: a breach all the same.
        return Reason.TURN_LIMIT_EXCEEDED
    if gone.code == 0:
        return None
    if gone.signal == signal.SIGKILL and killed_for_memory:
        return Reason.OOM
    return tally.reason or Reason.EXIT_NONZERO


def _error(gone: Gone, tally: Tally, last_words: str) -> str:
    if gone.error is not None:
        return gone.error
    if tally.trouble is not None:
        return tally.trouble
    if gone.by != "payload":
        return _WHY.get(gone.by, gone.by)
    said = tally.error or last_words.strip() or "It said nothing on standard error."
    return f"{_how(gone)}: {said[-_LONGEST_ERROR:]}"


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


def execute(target: Mapping[str, Any], prompt: str, terms: Terms, guards: Guards, on_events: OnEvents) -> Outcome:
    """The target kind `command`: runs it, and says how it ended."""
    ended = run(target, prompt, terms, guards, on_events)
    reason = ended.reason
    if reason == Reason.EXIT_NONZERO:
        # Nobody stated why; the words of the error are all there is to go by.
        # A signal says nothing of its own: whether it was for memory, the kernel's count has told already.
        reason = classify(ended.error or "", 1 if ended.exit_code is None else ended.exit_code)
    return Outcome(
        reason=reason,
        error=ended.error,
        exit_code=ended.exit_code if ended.signal is None else -ended.signal,
        result=(ended.result if ended.result is not None else ended.output_tail)[-LONGEST_RESULT:],
        turns=ended.turns,
        input_tokens=ended.input_tokens or None,
        output_tokens=ended.output_tokens or None,
        cost_micros=ended.cost_micros or None,
        peak_rss_mb=ended.peak_rss_mb,
    )
