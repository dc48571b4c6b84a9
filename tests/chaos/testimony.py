"""The payloads' own records, swept: what executed when, and what must never have."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

from shared.clock import boottime, now
from tests.chaos.caps import TOLERANCE_S
from tests.chaos.world import Frozen, World

# How long a payload that was stopped together with its guard may execute before the guard is awake too.
AWAKE_WITHIN_S = 0.5


@dataclass
class Record:
    """What one attempt's payload wrote: it executed at least from `since` to `until`."""

    token: int
    firing: str
    since: float = inf
    until: float = 0.0
    begun: int = 0
    done: int = 0
    after_a_pause: int = 0


@dataclass(frozen=True)
class Attempt:
    """The row that belongs to a record, in seconds of the boot clock."""

    token: int
    firing: str
    claimed: float
    ended: float
    outcome: str | None
    forced: bool
    keys: tuple[str, ...]


@dataclass
class Testimony:
    """Records and rows side by side."""

    records: dict[int, Record]
    attempts: dict[int, Attempt]
    most: dict[str, int] = field(default_factory=dict)

    def known(self) -> list[Record]:
        """The records of attempts that there are."""
        return [it for it in self.records.values() if it.token in self.attempts]

    def of(self, record: Record) -> Attempt:
        return self.attempts[record.token]


def read(world: World) -> Testimony:
    records: dict[int, Record] = {}
    for line in world.witness.read_text().splitlines():
        word, token, firing, pid, moment = line.split()
        record = records.setdefault(int(token), Record(int(token), firing))
        _note(record, word, int(pid), int(moment) / 1e9, world.frozen)
    return Testimony(records, _attempts(world))


def _note(record: Record, word: str, pid: int, moment: float, frozen: list[Frozen]) -> None:
    record.begun += word == "begin"
    record.done += word == "done"
    if any(pid in it.pids and it.until - 0.05 <= moment <= it.until + AWAKE_WITHIN_S for it in frozen):
        record.after_a_pause += 1
        return
    record.since, record.until = min(record.since, moment), max(record.until, moment)


def _attempts(world: World) -> dict[int, Attempt]:
    offset = boottime() - now().timestamp()
    rows = world.rows(
        "select a.token, a.firing_id::text, extract(epoch from a.claimed_at)::float8,"
        " extract(epoch from a.ended_at)::float8, a.outcome, f.forced, f.workspace_id, f.lane"
        " from attempts a join firings f on f.id = a.firing_id"
    )
    return {row[0]: _attempt(row, offset) for row in rows}


def _attempt(row: Any, offset: float) -> Attempt:
    token, firing, claimed, ended, outcome, forced, workspace, lane = row
    keys = ("fleet", f"workspace:{workspace}", *([f"lane:{lane}"] if lane else []))
    return Attempt(token, firing, claimed + offset, inf if ended is None else ended + offset, outcome, forced, keys)


def outside_attempts(told: Testimony) -> Iterator[str]:
    """Payloads that executed without an attempt, before it, after it, or not although it says so."""
    for record in told.records.values():
        if record.token not in told.attempts:
            yield f"a payload executed under token {record.token}, which no attempt has"
        else:
            yield from _of_one(record, told.of(record))
    yield from _without_effect(told)


def doubled(told: Testimony) -> Iterator[str]:
    """Tokens begun or done twice, and firings of which two attempts executed at once."""
    for record in told.records.values():
        if record.begun > 1 or record.done > 1:
            yield f"token {record.token}: begun {record.begun} times, done {record.done} times"
    yield from _overlapping(told)


def _of_one(record: Record, attempt: Attempt) -> Iterator[str]:
    if record.until > attempt.ended + TOLERANCE_S:
        late = record.until - attempt.ended
        yield f"token {record.token} executed for {late:.2f} s after its attempt had ended ({attempt.outcome})"
    if record.since < attempt.claimed - TOLERANCE_S:
        yield f"token {record.token} executed before it was claimed"
    if attempt.outcome == "not_started":
        yield f"token {record.token} executed, and says that it was not started"


def _without_effect(told: Testimony) -> Iterator[str]:
    for attempt in told.attempts.values():
        record = told.records.get(attempt.token)
        if attempt.outcome == "completed" and (record is None or not record.done):
            yield f"token {attempt.token} completed, but its payload never came to its end"


def _overlapping(told: Testimony) -> Iterator[str]:
    of_firing: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(told.records.values(), key=lambda it: it.since):
        for earlier in of_firing[record.firing]:
            if earlier.until > record.since:
                yield f"firing {record.firing}: tokens {earlier.token} and {record.token} executed at the same time"
        of_firing[record.firing].append(record)


def over_the_cap(world: World, told: Testimony) -> Iterator[str]:
    """Nothing is ended when a cap is lowered; so the question is asked whenever a payload begins."""
    for key in world.caps.known():
        under = sorted(
            (it for it in told.known() if key in told.of(it).keys and it.since < inf), key=lambda it: it.since
        )
        yield from _over_one(world, told, key, under)


def _over_one(world: World, told: Testimony, key: str, under: list[Record]) -> Iterator[str]:
    ends = {it.token: it.until for it in under}
    starts = [it.since for it in under]
    told.most[key] = 0
    for record in under:
        before = under[: bisect_right(starts, record.since)]
        at_once = [it for it in before if ends[it.token] >= record.since]
        told.most[key] = max(told.most[key], len(at_once))
        if told.of(record).forced:
            continue
        unforced = [it for it in at_once if not told.of(it).forced]
        cap = world.caps.highest(key, told.of(record).claimed, record.since)
        if len(unforced) > cap:
            tokens = ", ".join(str(it.token) for it in unforced)
            yield f"{key}: {len(unforced)} executed at once under a cap of {cap:.0f} (tokens {tokens})"
