"""Why a firing waits, and for how long: from the rows that the page shows."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from console.deeds.held_back import held_back
from console.pages import codes
from shared.rules.lasting import roughly, when
from shared.store.overview import LimitUse, Runs, Waits

_LONGER_THAN_USUAL = 0.25


@dataclass(frozen=True)
class Wanted:
    """What a firing needs in order to start, and how long it usually runs."""

    workspace_id: UUID
    lane: str | None
    usual_s: float | None
    most_s: float

    @property
    def keys(self) -> set[str]:
        """The limits it runs under, where they exist."""
        return {"fleet", f"workspace:{self.workspace_id}", f"lane:{self.lane}"}


@dataclass(frozen=True)
class Estimate:
    """In how many seconds a slot is expected; without `sure` that is the latest, as leases allow."""

    seconds: float
    sure: bool

    def __str__(self) -> str:
        if self.seconds < 1:
            return "now"
        return f"in about {roughly(self.seconds)}" if self.sure else f"within {roughly(self.seconds)}"


class Forecast:
    """When slots become free: running firings end as usual, then the line takes their slots in order."""

    def __init__(self, limits: Sequence[LimitUse], running: Iterable[Runs], now: datetime) -> None:
        ends = [(_ends(it, now), Wanted(it.workspace_id, it.lane, None, 0).keys) for it in running]
        self.free: dict[str, list[tuple[float, bool]]] = {}
        for limit in limits:
            held = sorted(end for end, keys in ends if limit.key in keys)
            # Above the cap (forced, or surplus of a lowered one), the first to end frees nothing.
            of_cap = held[max(0, len(held) - limit.cap) :] if limit.cap else []
            self.free[limit.key] = [(0.0, True)] * (limit.cap - len(of_cap)) + of_cap
            heapq.heapify(self.free[limit.key])

    def take(self, wanted: Wanted) -> Estimate | None:
        """When the next in line starts, which then takes its slots; None while a limit is drained."""
        keys = wanted.keys & self.free.keys()
        if not all(self.free[key] for key in keys):
            return None
        starts = max((self.free[key][0] for key in keys), key=lambda it: it[0], default=(0.0, True))
        sure = starts[1] and all(self.free[key][0][1] for key in keys)
        lasts = wanted.most_s if wanted.usual_s is None else wanted.usual_s
        for key in keys:
            heapq.heapreplace(self.free[key], (starts[0] + lasts, sure and wanted.usual_s is not None))
        return Estimate(starts[0], sure)


def _ends(run: Runs, now: datetime) -> tuple[float, bool]:
    latest = max(0.0, (run.run_expires_at - now).total_seconds())
    if run.avg_duration_ms is None:
        return latest, False
    so_far = (now - run.claimed_at).total_seconds()
    left = max(run.avg_duration_ms / 1000 - so_far, so_far * _LONGER_THAN_USUAL)
    return min(latest, left), True


def wanted(it: Waits) -> Wanted:
    """What a waiting firing needs."""
    usual = None if it.avg_duration_ms is None else it.avg_duration_ms / 1000
    return Wanted(it.workspace_id, it.lane, usual, it.max_run_seconds)


@dataclass(frozen=True)
class Place:
    """A firing in line: its place (None while something else than slots holds it), why, how long."""

    firing: Waits
    place: int | None
    why: str
    expected: Estimate | None


def places(
    line: Iterable[Waits],
    limits: Sequence[LimitUse],
    forecast: Forecast,
    now: datetime,
    otherwise: str,
    spent: Mapping[UUID, str],
) -> Iterator[Place]:
    """Each waiting firing with its reason: first those in line for a slot, then those held back.

    `otherwise` is said of one that nothing in the rows keeps from starting, `spent` of those whose budget is.
    """
    held_back: list[Place] = []
    place = 0
    for it in line:
        held = held_by(it, now, spent)
        if held:
            held_back.append(Place(it, None, held, None))
            continue
        place += 1
        why = full(wanted(it), limits, forced=it.forced) or otherwise
        yield Place(it, place, why, forecast.take(wanted(it)))
    yield from held_back


def held_by(it: Waits, now: datetime, spent: Mapping[UUID, str]) -> str:
    """What keeps a firing out of the line; '' if nothing does."""
    if it.id in spent:
        return spent[it.id]
    if it.not_before is not None and it.not_before > now:
        again = "next attempt" if it.attempt_count else "not before"
        return f"{again} {when(it.not_before, now)}"
    return held_back(it, now) or ""


def full(needs: Wanted, limits: Iterable[LimitUse], *, forced: bool) -> str:
    """Which limits have no room for it, in words; '' if all have."""
    under = [it for it in limits if it.key in needs.keys]
    drained = [codes.limit(it.key, it.workspace) for it in under if it.cap == 0]
    if drained:
        return f"{' and '.join(drained)} drained (cap 0)"
    taken = [it for it in under if it.held >= it.cap]
    if forced:
        return ""
    return ", ".join(f"{codes.limit(it.key, it.workspace)} full ({it.held} of {it.cap})" for it in taken)
