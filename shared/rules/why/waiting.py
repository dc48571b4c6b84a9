"""Why a firing waited for a while: what held the slots it needed, from the attempts that ran meanwhile."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.rules.budgets import Spent
from shared.rules.why.told import Step, clock, names, span

NOTICED = timedelta(seconds=1)
_NAMED = 3
# Ends and beginnings of others are some milliseconds apart also where a limit is full all the time.
_NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Hold:
    """An attempt of another firing: it held a slot under its limits from `claimed_at` to `ended_at`."""

    title: str
    schedule_id: UUID | None
    workspace_id: UUID
    lane: str | None
    claimed_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tripped:
    """A class of failures that was tripped, in which firings wait."""

    key: str
    tripped_at: datetime
    healed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a firing needs to start; `alone` if no other one of its schedule may run meanwhile."""

    schedule_id: UUID | None
    workspace_id: UUID
    workspace: str
    lane: str | None
    alone: bool


@dataclass(frozen=True, slots=True)
class Around:
    """What was so while it waited: who held slots, the caps, what was tripped; and which budgets are spent now."""

    holds: Sequence[Hold]
    caps: Mapping[str, int]
    tripped: Sequence[Tripped] = ()
    spent: Sequence[Spent] = ()


def waited(needs: Needs, around: Around, since: datetime, until: datetime) -> Step | None:
    """The wait from `since` to `until` as a step; None for one that nobody notices."""
    if until - since < NOTICED:
        return None
    tripped = [it for it in around.tripped if it.tripped_at < until and (it.healed_at or until) > since]
    if tripped:
        key = tripped[0].key
        words = f"waited {span(until - since)}, held because failures of the class {key} were shared by many"
        return _step(since, until, "waited_for_class", words, {"class": key})
    own = _held([it for it in around.holds if needs.alone and it.schedule_id == needs.schedule_id], since, until)
    if sum(own.values(), timedelta()) >= _NEARLY * (until - since):
        words = f"waited {span(until - since)} for an earlier firing of its schedule to end"
        return _step(since, until, "waited_for_own", words, {"behind": list(own)})
    return _for_a_slot(needs, around, since, until)


def spends(needs: Needs, around: Around, since: datetime, now: datetime) -> Step | None:
    """The wait from `since` on, of one that waits still, as a step that names the budget; None if it is for no budget.

    When a budget ran out is in no row: that it is spent now is what can be said.
    """
    if not around.spent:
        return waited(needs, around, since, now)
    words = f"waited {span(now - since)} so far, and {around.spent[0]}"
    return _step(since, now, "waited_for_budget", words, {"budgets": [it.key for it in around.spent]})


def _for_a_slot(needs: Needs, around: Around, since: datetime, until: datetime) -> Step:
    for limit, holds in _limits(needs, around.holds):
        held, cap = _held(holds, since, until), around.caps.get(limit)
        if cap is not None and sum(held.values(), timedelta()) >= _NEARLY * cap * (until - since):
            return _full(needs, limit, held, since, until)
    held = _held(around.holds, since, until)
    words = f"waited {span(until - since)} although no limit was full all the time:"
    words += " look for workers that were away, a pause, or a workspace that was not ready"
    return _step(since, until, "waited", words, {"behind": _first(held)})


def _full(needs: Needs, limit: str, held: Mapping[str, timedelta], since: datetime, until: datetime) -> Step:
    which = {"fleet": "the fleet", "lane": f"lane {needs.lane}"}.get(limit.partition(":")[0], f"{needs.workspace}")
    if not held:
        return _step(
            since, until, "drained", f"waited {span(until - since)}: the cap of {which} is 0", {"limit": limit}
        )
    behind = _first(held)
    words = f"waited {span(until - since)} in line, {which} was full: behind {names(behind)}"
    return _step(since, until, "waited_for_slot", words, {"limit": limit, "behind": behind})


def _limits(needs: Needs, holds: Sequence[Hold]) -> list[tuple[str, list[Hold]]]:
    """The limits it needs, the narrowest first, each with who held slots under it."""
    lane = [(f"lane:{needs.lane}", [it for it in holds if it.lane == needs.lane])] if needs.lane else []
    here = [it for it in holds if it.workspace_id == needs.workspace_id]
    return [*lane, (f"workspace:{needs.workspace_id}", here), ("fleet", list(holds))]


def _held(holds: Sequence[Hold], since: datetime, until: datetime) -> dict[str, timedelta]:
    """Who held a slot in that time, and for how long of it, the longest first."""
    found: Counter[str] = Counter()
    for it in holds:
        shared = min(it.ended_at or until, until) - max(it.claimed_at, since)
        if shared > timedelta():
            found[it.title] += round(shared.total_seconds() * 1000)
    return {name: timedelta(milliseconds=ms) for name, ms in sorted(found.items(), key=lambda it: (-it[1], it[0]))}


def _first(held: Mapping[str, timedelta]) -> list[str]:
    return list(held)[:_NAMED]


def _step(since: datetime, until: datetime, code: str, words: str, facts: dict[str, object]) -> Step:
    waited_s = round((until - since).total_seconds(), 1)
    return Step(since, code, f"{words} (from {clock(since)})", {**facts, "waited_s": waited_s})
