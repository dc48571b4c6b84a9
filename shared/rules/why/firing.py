"""The whole story of a firing: how it came, what it waited for, each attempt, how it ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from shared.rules.jitter import jitter
from shared.rules.overlap import runs_alone
from shared.rules.pauses import is_held_by_pause
from shared.rules.why.told import Step, Why, clock, span
from shared.rules.why.waiting import NOTICED, Around, Needs, stops, waited, waits_still

_LATE = timedelta(seconds=5)  # a tick that is this late was put off, or nobody was up
_BY_HAND = {"manual_run": "run now by", "manual_force_bypass": "run now past the caps by"}
_FIT = ("online", "degraded", "failed")


@dataclass(frozen=True, slots=True)
class Fired:
    """A firing's row with what it needs of its schedule and workspace."""

    id: UUID
    title: str
    number: int
    source: str
    forced: bool
    status: str
    nominal_at: datetime
    queued_at: datetime
    not_before: datetime | None
    finished_at: datetime | None
    failure_reason: str | None
    error: str | None
    attempt_count: int
    max_attempts: int
    turns: int
    max_turns: int | None
    workspace_id: UUID
    workspace: str
    workspace_status: str
    lane: str | None
    schedule_id: UUID | None
    schedule_status: str | None
    paused_by: str | None
    pause_note: str | None
    overlap: str | None
    jitter_s: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Try:
    """One of its attempts."""

    number: int
    worker: str
    claimed_at: datetime
    ended_at: datetime | None
    outcome: str | None
    failure_reason: str | None
    exit_code: int | None
    abort_requested_at: datetime | None
    abort_reason: str | None
    late: bool


@dataclass(frozen=True, slots=True)
class Deed:
    """A row of the activity log about it."""

    type: str
    actor: str
    at: datetime
    body: dict[str, Any]


def why_firing(it: Fired, tries: Sequence[Try], deeds: Sequence[Deed], around: Around) -> Why:
    """What became of a firing, from its rows."""
    steps = [*_came(it, deeds), *_tried(it, tries), *_deeds(deeds), *_waits(it, tries, around)]
    if it.finished_at is not None:
        steps.append(_ended(it, it.finished_at))
    steps.sort(key=lambda step: step.at)
    holder = _held_by(it, around)
    code = holder[0] if it.status == "queued" else _code(it, steps)
    return Why(code, _sentence(it, tries, steps, holder[1]), tuple(steps))


def _came(it: Fired, deeds: Sequence[Deed]) -> Iterator[Step]:
    asked = next((deed for deed in deeds if deed.type in _BY_HAND), None)
    if asked is not None:
        again = f", as a repetition of {asked.body['rerun_of']}" if "rerun_of" in asked.body else ""
        words = f"{_BY_HAND[asked.type]} {asked.actor}{again}"
        yield Step(it.queued_at, "asked_for", words, {"actor": asked.actor, "forced": "bypass" in asked.type})
        return
    yield Step(it.nominal_at, "due", f"due at {clock(it.nominal_at)} ({it.source})", {"source": it.source})
    if it.source not in ("scheduled", "heartbeat"):
        return
    by_jitter = jitter(it.schedule_id or "", it.jitter_s or 0)
    if by_jitter >= NOTICED:
        facts = {"jitter_s": round(by_jitter.total_seconds(), 1)}
        yield Step(it.nominal_at, "jittered", f"its jitter adds {span(by_jitter)}", facts)
    late = it.queued_at - it.nominal_at - by_jitter
    if late >= _LATE:
        words = f"put in line {span(late)} after it was due: put off by pressure, or no beat was up"
        yield Step(it.nominal_at + by_jitter, "put_off", words, {"late_s": round(late.total_seconds(), 1)})


def _waits(it: Fired, tries: Sequence[Try], around: Around) -> Iterator[Step]:
    """Each time in line: before the first attempt, between two, after the last."""
    needs = _needs(it)
    until = [*(each.claimed_at for each in tries), it.finished_at or it.now]
    since = [it.queued_at, *(each.ended_at for each in tries)]
    for begin, end in zip(since, until, strict=True):
        if begin is None or (begin != it.queued_at and it.finished_at == begin):
            continue
        free = _backoff(it.not_before, begin, end)
        if free > begin:
            words = f"waited {span(free - begin)} before its next attempt, as its backoff says"
            yield Step(begin, "backoff", words, {"waited_s": round((free - begin).total_seconds(), 1)})
        step = (waits_still if end == it.now and it.status == "queued" else waited)(needs, around, free, end)
        if step is not None:
            yield step


def _needs(it: Fired) -> Needs:
    alone = it.overlap is not None and runs_alone(it.overlap) and it.source not in ("manual", "rerun")
    return Needs(it.schedule_id, it.workspace_id, it.workspace, it.lane, alone)


def _backoff(not_before: datetime | None, begin: datetime, end: datetime) -> datetime:
    """When it was in line: at once, or after its backoff."""
    return not_before if not_before is not None and begin < not_before <= end else begin


def _tried(it: Fired, tries: Sequence[Try]) -> Iterator[Step]:
    for each in tries:
        facts = {"attempt": each.number, "worker": each.worker}
        words = f"attempt {each.number} of {it.max_attempts} began on {each.worker}"
        yield Step(each.claimed_at, "attempt_began", words, facts)
        if each.abort_requested_at is not None:
            words = f"attempt {each.number} was asked to end: {each.abort_reason}"
            yield Step(each.abort_requested_at, "abort_asked", words, {**facts, "reason": each.abort_reason})
        if each.ended_at is None:
            continue
        said = [each.failure_reason or "", "" if each.exit_code is None else f"exit code {each.exit_code}"]
        how = ", ".join(filter(None, said))
        words = f"attempt {each.number} {_ended_as(each.outcome)} after {span(each.ended_at - each.claimed_at)}"
        more = {**facts, "outcome": each.outcome, "reason": each.failure_reason, "exit_code": each.exit_code}
        yield Step(each.ended_at, f"attempt_{each.outcome}", f"{words}{f' ({how})' if how else ''}", more)
        if each.late:
            words = f"attempt {each.number} reported after it had been given up: kept for reading, it changed nothing"
            yield Step(each.ended_at, "fenced", words, facts)


def _ended_as(outcome: str | None) -> str:
    """The outcome as a verb: an attempt completes and fails by itself, the others are done to it."""
    return outcome if outcome in ("completed", "failed") else f"was {outcome}"


def _deeds(deeds: Sequence[Deed]) -> Iterator[Step]:
    for deed in deeds:
        if deed.type == "firing_cancelled":
            yield Step(deed.at, "cancelled_by", f"{deed.actor} cancelled it", {"actor": deed.actor})
        elif deed.type == "replaced":
            yield Step(deed.at, "replaced", "a newer firing of its schedule took its place", {})
        elif deed.type == "reaped":
            reason = deed.body.get("reason") or "completed"
            words = f"the reaper ended its attempt: {reason} (worker {deed.body.get('worker')})"
            yield Step(deed.at, "reaped", words, {"reason": reason, "now": deed.body.get("now")})
        elif deed.type == "auto_paused":
            words = f"its schedule was paused after it: {deed.body.get('reason')}"
            yield Step(deed.at, "auto_paused", words, {"reason": deed.body.get("reason")})


def _ended(it: Fired, at: datetime) -> Step:
    why = f": {it.failure_reason}" if it.failure_reason else ""
    more = f" ({it.error})" if it.error else ""
    if it.failure_reason == "turn_limit_exceeded":
        more = f" ({it.turns} turns, its budget was {it.max_turns})"
    facts = {"reason": it.failure_reason, "error": it.error, "turns": it.turns}
    return Step(at, it.status, f"{it.status}{why}{more}", facts)


def _code(it: Fired, steps: Sequence[Step]) -> str:
    if it.status == "completed":
        return "completed_late" if any(step.code.startswith(("waited", "put_off")) for step in steps) else "completed"
    return it.status


def _held_by(it: Fired, around: Around) -> tuple[str, str]:
    """Why a firing that waits does not start now."""
    later = it.not_before if it.not_before is not None and it.not_before > it.now else None
    if later is not None and not around.spent:
        return "waits_for_backoff", f"its next attempt is not before {clock(later)}"
    if is_held_by_pause(it.schedule_status, it.source, it.forced):
        note = f": {it.pause_note}" if it.pause_note else ""
        return "waits_for_pause", f"its schedule is paused by {it.paused_by}{note}"
    if it.workspace_status not in _FIT:
        return "waits_for_workspace", f"workspace {it.workspace} is {it.workspace_status}"
    if open_class := next((each for each in around.tripped if each.healed_at is None and not each.tried_by_it), None):
        return "waits_for_class", f"its place has failures of the class {open_class.key}: one firing at a time tries it"
    return _for_room(it, around, later)


def _for_room(it: Fired, around: Around, later: datetime | None) -> tuple[str, str]:
    """What of its turn, a budget and a slot it has not; one that found its budget spent looks again later."""
    needs = _needs(it)
    if needs.alone and any(each.schedule_id == it.schedule_id and each.ended_at is None for each in around.holds):
        return "waits_for_own", "another firing of its schedule runs"
    if around.spent:
        return "waits_for_budget", f"{around.spent[0]}{f'; it looks again at {clock(later)}' if later else ''}"
    stopped = stops(needs, around)
    return ("waits_for_drain", stopped[1]) if stopped else ("waits_in_line", "it is in line for a slot")


def _sentence(it: Fired, tries: Sequence[Try], steps: Sequence[Step], holder: str) -> str:
    waits = [step.words.partition(" (from ")[0] for step in steps if step.code.startswith(("waited", "put_off"))]
    before = f", after it {waits[0]}" if waits else ""
    name = f"{it.title} #{it.number}"
    if it.status == "queued":
        return f"{name} waits: {holder}{before}."
    if it.status == "running":
        return f"{name} runs, in attempt {tries[-1].number if tries else 1}{before}."
    return f"{name} {_ended(it, it.now).words}{before}{_retried(tries)}."


def _retried(tries: Sequence[Try]) -> str:
    return f"; {len(tries)} attempts" if any(pairwise(tries)) else ""
