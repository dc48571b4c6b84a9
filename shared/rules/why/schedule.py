"""Why a schedule did what it did at a moment: fired, skipped, paused, not due, not there yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.rules.cron import last_until, next_after, parse_cron
from shared.rules.refused import RefusedValueError
from shared.rules.why.firing import Deed
from shared.rules.why.told import Step, Why, clock, names, span
from shared.rules.zones import parse_zone

MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)
_LOOKED_BACK = timedelta(days=370)
_PAUSES, _RESUMES = ("schedule_paused", "auto_paused"), ("schedule_resumed",)
_SKIPS = {
    "overlap": "an earlier firing of it was still queued or running",
    "native": "its workspace schedules itself",
    "paused": "it, or the whole fleet, was paused",
    "missed": "nobody was up when it came, or a later one took its place",
    "deadline": "it was later than its start deadline allows when somebody was up again",
    "budget": "a budget was used up",
    "manual": "a person had asked to skip it",
    "quarantined": "it had been set aside: its next occurrence could not be computed",
    "workspace": "its workspace was removed",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule's row, and Postgres's now."""

    id: UUID
    name: str
    status: str
    created_at: datetime
    updated_at: datetime
    cron: str | None
    run_at: datetime | None
    timezone: str
    start_at: datetime | None
    end_at: datetime | None
    next_run_at: datetime | None
    deferred_until: datetime | None
    skip_next_at: datetime | None
    paused_by: str | None
    paused_reason: str | None
    pause_note: str | None
    paused_until: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row of skips, with the firing that was in the way at that time, if one was."""

    first_at: datetime
    last_at: datetime
    count: int
    reason: str
    detail: str | None
    at: datetime
    blocker: str | None


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit: what changed, as its history has it."""

    revision: int
    at: datetime
    actor: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Then:
    """What the rows say of a moment: its skip, the last pause or resume before it (else one after), edits after it."""

    skip: Skipped | None
    pauses: Sequence[Deed]
    edits: Sequence[Edit]


def why_not(row: Row, at: datetime, then: Then) -> Why:
    """Why no firing of a schedule is of this moment, which has passed."""
    if at < row.created_at:
        return _say("not_there_yet", f"{row.name} was not there yet: it was made at {clock(row.created_at)}", at)
    if then.skip is not None:
        return _skipped(row, then.skip)
    if row.status == "archived" and at >= row.updated_at:
        return _say("archived", f"{row.name} had ended or was deleted at {clock(row.updated_at)}", at)
    return _paused(row, at, then.pauses) or _waiting(row, at) or _not_due(row, at, then.edits)


def paused_now(row: Row, at: datetime) -> Why | None:
    """For a moment to come: that it is paused then, or has ended."""
    if row.status == "archived" or row.next_run_at is None:
        return _say("archived", f"{row.name} has ended: nothing of it is to come", at)
    if row.status == "paused" and (row.paused_until is None or row.paused_until > at):
        until = f" until {clock(row.paused_until)}" if row.paused_until else " until somebody resumes it"
        return _say("paused", f"{row.name} is paused{until}{_by(row.paused_by, row.pause_note)}", at)
    return None


def occurrence_from(row: Row, at: datetime) -> datetime | None:
    """The first occurrence at or after a moment, by the times as they are now; None if there is none."""
    return _around(vars_of(row), at)[1]


def vars_of(row: Row) -> dict[str, Any]:
    """What decides when it runs."""
    return {it: getattr(row, it) for it in ("cron", "run_at", "timezone", "start_at", "end_at")}


def as_it_was(row: Row, edits: Sequence[Edit]) -> dict[str, Any]:
    """What decided when it ran before these edits, by what each of them changed."""
    found = vars_of(row)
    for edit in sorted(edits, key=lambda it: -it.revision):
        for name in found:
            if name in edit.changes:
                was = edit.changes[name]["from"]
                found[name] = datetime.fromisoformat(was) if was and name.endswith("_at") else was
    return found


def _skipped(row: Row, skip: Skipped) -> Why:
    of = f"one of {skip.count} from {clock(skip.first_at)} to {clock(skip.last_at)}" if skip.count > 1 else "skipped"
    because = f"{_SKIPS.get(skip.reason, skip.reason)}{f' ({skip.detail})' if skip.detail else ''}"
    blocker = f": {skip.blocker}" if skip.blocker and skip.reason == "overlap" else ""
    words = f"{row.name} was skipped ({of}), because {because}{blocker}"
    facts = {"reason": skip.reason, "first_at": skip.first_at, "last_at": skip.last_at, "count": skip.count}
    return Why(f"skipped_{skip.reason}", f"{words}.", (Step(skip.at, "skipped", words, facts),))


def _paused(row: Row, at: datetime, pauses: Sequence[Deed]) -> Why | None:
    """Paused then, by the last pause or resume before; a pause that is not in the log is older than that."""
    if row.status == "paused" and not pauses:
        since = "since when, the log does not say any more"
        return _say("paused", f"{row.name} is paused{_by(row.paused_by, row.pause_note)} ({since})", at)
    last = max((it for it in pauses if it.at <= at), key=lambda it: it.at, default=None)
    if last is None or last.type in _RESUMES:
        return None
    until = last.body.get("until")
    if until is not None and datetime.fromisoformat(until) <= at:
        return None
    note = last.body.get("note") or last.body.get("reason")
    words = f"{row.name} was paused since {clock(last.at)}{_by(last.actor, note)}"
    return Why("paused", f"{words}.", (Step(last.at, "paused", words, {"actor": last.actor, "note": note}),))


def _waiting(row: Row, at: datetime) -> Why | None:
    """Due, and not come to yet."""
    if row.status != "active" or row.next_run_at is None or row.next_run_at >= at + MINUTE:
        return None
    if row.deferred_until is not None and row.deferred_until > row.now:
        words = f"{row.name} is put off until {clock(row.deferred_until)}, for people are talking"
        return _say("put_off", words, row.next_run_at)
    late = span(row.now - row.next_run_at)
    return _say("overdue", f"{row.name} has been due for {late} and no beat has come to it: see `slotbeat doctor`", at)


def _not_due(row: Row, at: datetime, edits: Sequence[Edit]) -> Why:
    timing = as_it_was(row, edits)
    before, after = _around(timing, at)
    steps = tuple(
        Step(it.at, "edited", f"{it.actor} changed {names(sorted(it.changes))} later", {"revision": it.revision})
        for it in sorted(edits, key=lambda it: it.at)
    )
    if before is not None and before > at - MINUTE and before >= row.created_at:
        words = f"{row.name} should have come at {clock(before)} by its times then, and no row says what became of it"
        return Why("unrecorded", f"{words}: its history was deleted, or an edit took it.", steps)
    around = [f"the one before was {clock(before)}" if before else "", f"the next {clock(after)}" if after else ""]
    found = [it for it in around if it]
    told = f": {names(found)}" if found else ""
    facts = {"before": before, "next": after}
    step = Step(at, "not_due", f"it was not due{told}", facts)
    return Why("not_due", f"{row.name} was not due at {clock(at)}{told}.", (*steps, step))


def _around(timing: Mapping[str, Any], at: datetime) -> tuple[datetime | None, datetime | None]:
    """The last occurrence up to the end of a moment's minute, and the first from the moment on."""
    if timing["cron"] is None:
        once: datetime | None = timing["run_at"]
        return (once if once and once <= at else None), (once if once and once >= at else None)
    try:
        cron, zone = parse_cron(timing["cron"]), parse_zone(timing["timezone"])
        earliest = max(at - _LOOKED_BACK, timing["start_at"] or at - _LOOKED_BACK)
        latest = min(at, timing["end_at"] or at)
        before = last_until(cron, zone, latest, earliest)
        after = next_after(cron, zone, max(at, timing["start_at"] or at) - _INSTANT)
    except RefusedValueError:
        return None, None
    if timing["end_at"] is not None and after > timing["end_at"]:
        return before, None
    return before, after


def _by(who: str | None, note: str | None) -> str:
    return (f" by {who}" if who else "") + (f": {note}" if note else "")


def _say(code: str, words: str, at: datetime) -> Why:
    return Why(code, f"{words}.", (Step(at, code, words, {}),))
