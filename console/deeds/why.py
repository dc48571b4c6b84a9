"""What happened and why, from rows only: of a firing, and of a schedule at a moment, past or to come (OBS-3)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from console.deeds.forecasting import world_for
from console.problems import not_found
from shared.rules.budgets import Spent, nothing_left
from shared.rules.forecast.behind import Behind
from shared.rules.forecast.replay import MS, replay
from shared.rules.why.firing import Fired, why_firing
from shared.rules.why.schedule import Row, occurrence_from, paused_now, why_not
from shared.rules.why.told import Step, Why, clock, names, span
from shared.rules.why.waiting import Around
from shared.store import budgets, fleet, limits, story
from shared.store.connection import Database, Postgres
from shared.store.overview import one_moment

_MINUTE = timedelta(minutes=1)
_ANOTHER = "a firing of another workspace"
_FARTHEST = timedelta(days=7)
_AT_WORK = "one of it will still be at work"
# What lets none of a schedule's occurrences fire, by the reason of their skips.
_REFUSED = {
    "native": "its workspace schedules itself",
    "workspace": "its workspace was removed",
    "paused": "the whole fleet is paused, as long as it is",
}


@dataclass(frozen=True)
class Answer:
    """The answer of a moment; `firing_id` where a firing is of it."""

    at: datetime
    firing_id: UUID | None
    why: Why


def of_firing(database: Database, firing: UUID, only: UUID | None = None) -> Answer:
    """The whole story of a firing; to who may see `only` one workspace, others are not named."""
    with one_moment(database) as connection:
        found = story.firing(connection, firing)
        if found is None:
            raise not_found("firing", firing)
        return Answer(found.nominal_at, firing, _story(connection, found, only))


def of_schedule(database: Database, schedule: UUID, at: datetime | None, only: UUID | None = None) -> Answer:
    """What a schedule did at a moment, or will do; without one, what it did last, or why it does nothing now."""
    with one_moment(database) as connection:
        row = story.schedule(connection, schedule)
        if row is None:
            raise not_found("schedule", schedule)
        if at is None:
            last = None if row.status == "paused" else story.latest(connection, schedule)
            at, fired = (row.now, None) if last is None else (min(last[0], row.now), last[1])
            if fired is not None:
                return _of_one(connection, at, fired, only)
        if at > row.now:
            return Answer(at, None, _to_come(connection, row, at, only))
        return _past(connection, row, at, only)


def _past(connection: Postgres, row: Row, at: datetime, only: UUID | None) -> Answer:
    minute = at.replace(second=0, microsecond=0)
    fired = story.firing_of(connection, row.id, minute, minute + _MINUTE)
    if fired is None:
        return Answer(at, None, why_not(row, minute, story.then(connection, row.id, minute, minute + _MINUTE)))
    return _of_one(connection, at, fired, only)


def _of_one(connection: Postgres, at: datetime, fired: UUID, only: UUID | None) -> Answer:
    found = story.firing(connection, fired)
    assert found is not None
    return Answer(at, fired, _story(connection, found, only))


def _story(connection: Postgres, found: Fired, only: UUID | None) -> Why:
    until = found.finished_at or found.now
    holds = story.holds(connection, found.id, found.queued_at, until)
    if only is not None:
        holds = [it if it.workspace_id == only else replace(it, title=_ANOTHER) for it in holds]
    around = Around(
        holds,
        limits.caps(connection),
        story.tripped(connection, found.id, found.queued_at, until),
        list(_spent(connection, found, only)),
        _paused(connection),
    )
    return why_firing(found, story.tries(connection, found.id), story.deeds(connection, found.id), around)


def _paused(connection: Postgres) -> str:
    paused = fleet.current(connection)
    if paused is None:
        return ""
    return f"{paused.paused_by} ({paused.note})" if paused.note else paused.paused_by


def _spent(connection: Postgres, found: Fired, only: UUID | None) -> Iterator[Spent]:
    """Budgets that hold it up; what the whole fleet spends is not told to who may see one workspace."""
    for it in budgets.of_waiting(connection, found.id):
        spent = nothing_left(it.key, found.workspace, it.with_held())
        if spent is not None:
            yield replace(spent, figures="") if only is not None and it.key == budgets.FLEET else spent


def _to_come(connection: Postgres, row: Row, at: datetime, only: UUID | None) -> Why:
    never = paused_now(row, at)
    if never is not None:
        return never
    nominal = occurrence_from(row, at)
    if nominal is None:
        return _say("not_due", f"{row.name} is not due any more then", at)
    if nominal == row.skip_next_at:
        words = f"{row.name} is due at {clock(nominal)} and is skipped then: a person asked for it"
        return _say("expected_skip", words, nominal)
    if nominal - row.now > _FARTHEST:
        return _say("to_come", f"{row.name} is due at {clock(nominal)}, farther than a forecast looks", at)
    return _expected(connection, row, nominal, only)


def _expected(connection: Postgres, row: Row, nominal: datetime, only: UUID | None) -> Why:
    hours = ceil((nominal - row.now) / timedelta(hours=1)) + 2
    seen = replay(world_for(connection, hours), hours)
    behind = Behind(seen)
    run = next((it for it in seen.runs if it.schedule == row.id and it.nominal_at == nominal), None)
    if run is None:
        reason = next((_REFUSED[why] for of, why in seen.skips if of == row.id and why in _REFUSED), _AT_WORK)
        words = f"{row.name} is due at {clock(nominal)} and is expected to be skipped: {reason}"
        return _say("expected_skip" if nominal < seen.until else "to_come", words, nominal)
    if run.started is None:
        return _say(
            "expected_later", f"{row.name} is due at {clock(nominal)} and waits past {clock(seen.until)}", nominal
        )
    starts, wait = seen.world.now + run.started * MS, behind.wait_ms(run)
    whom = names(behind.whom(run)) if only is None else "others"
    waits = f", after {span(wait * MS)} behind {whom}" if wait >= 1000 else ""
    words = f"{row.name} is due at {clock(nominal)} and is expected to start at {clock(starts)}{waits}"
    return _say("expected", words, nominal)


def _say(code: str, words: str, at: datetime) -> Why:
    return Why(code, f"{words}.", (Step(at, code, words),))
