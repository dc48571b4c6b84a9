"""Why a firing waited for a while: what held the slots it needed, from the attempts that ran meanwhile."""

import shlex
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
    """A class of failures that was tripped, in which firings wait; `tried_by_it`: all but this one, its probe."""

    key: str
    tripped_at: datetime
    healed_at: datetime | None
    tried_by_it: bool = False


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
    """What was so while it waited: who held slots and what was tripped; and the caps, budgets and pause of now."""

    holds: Sequence[Hold]
    caps: Mapping[str, int]
    tripped: Sequence[Tripped] = ()
    spent: Sequence[Spent] = ()
    paused: str = ""  # by whom the whole fleet is, and why


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


def waits_still(needs: Needs, around: Around, since: datetime, now: datetime) -> Step | None:
    """The wait from `since` on, of one that waits still, as a step; None for one that nobody notices.

    Since when a cap is 0 or a budget spent is in no row: that it is so now is what can be said.
    """
    so_far = f"waited {span(now - since)} so far, and"
    if around.spent:
        budgets = [it.key for it in around.spent]
        return _step(since, now, "waited_for_budget", f"{so_far} {around.spent[0]}", {"budgets": budgets})
    stopped = stops(needs, around)
    if stopped is None or now - since < NOTICED:
        return waited(needs, around, since, now)
    return _step(since, now, "drained", f"{so_far} {stopped[1]}", {"limit": stopped[0]})


def stops(needs: Needs, around: Around) -> tuple[str, str] | None:
    """A limit that lets nobody start now, forced or not, and what to do about it; None if there is none."""
    typed = {"fleet": "fleet", f"workspace:{needs.workspace_id}": f"workspace:{needs.workspace}"}
    if needs.lane:
        typed[f"lane:{needs.lane}"] = f"lane:{needs.lane}"
    limit = next((it for it in typed if around.caps.get(it) == 0), None)
    if limit is None:
        return None
    if limit == "fleet" and around.paused:
        return limit, f"the fleet is paused by {around.paused}: `slotbeat resume` lets all go on"
    told = f"the cap of {_named(needs, limit)} is 0, which stops all admission"
    return limit, f"{told}: `slotbeat limit set {shlex.quote(typed[limit])} N` raises it"


def _named(needs: Needs, limit: str) -> str:
    kinds = {"fleet": "the fleet", "lane": f"lane {needs.lane}"}
    return kinds.get(limit.partition(":")[0], f"workspace {needs.workspace}")


def _for_a_slot(needs: Needs, around: Around, since: datetime, until: datetime) -> Step:
    for limit, holds in _limits(needs, around.holds):
        held, cap = _held(holds, since, until), around.caps.get(limit)
        # Whoever started since was stopped by no cap of 0: it was another one then, and no row says which.
        if cap and sum(held.values(), timedelta()) >= _NEARLY * cap * (until - since):
            return _full(needs, limit, held, since, until)
    behind = _first(_held(around.holds, since, until))
    changed = [_named(needs, limit) for limit, _ in _limits(needs, ()) if around.caps.get(limit) == 0]
    if changed and behind:
        words = (
            f"waited {span(until - since)} while {names(behind)} ran, under another cap of {names(changed)} than now"
        )
    else:
        words = f"waited {span(until - since)} although no limit was full all the time:"
        words += " look for workers that were away, a pause, or a workspace that was not ready"
    return _step(since, until, "waited", words, {"behind": behind})


def _full(needs: Needs, limit: str, held: Mapping[str, timedelta], since: datetime, until: datetime) -> Step:
    behind = _first(held)
    words = f"waited {span(until - since)} in line, {_named(needs, limit)} was full: behind {names(behind)}"
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
