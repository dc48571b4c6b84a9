"""The table at the end of a run."""

from collections import Counter, defaultdict
from itertools import pairwise
from statistics import median

from shared.clock import boottime, now
from tests.chaos.run import Result
from tests.chaos.world import World


def report(world: World, result: Result) -> str:
    """What happened, in figures, and whatever must not have happened."""
    told = result.told
    again = [it for it in told.attempts.values() if it.outcome in ("requeued", "interrupted")]
    parts = [
        f"seed {result.seed}: {_count(world, 'firings')} firings, {len(told.attempts)} attempts;"
        f" {len(result.injected)} faults of {len({it.kind for it in result.injected})} kinds;"
        f" at rest {result.quiet_after_s:.1f} s after the load",
        _table("firings by outcome", _outcomes(world)),
        _table("most executing at once, and the last cap", _levels(world, result)),
        _table(
            "figures",
            {
                "re-runs (requeued or interrupted)": len(again),
                "done again under a new token": _done_again(result),
                "fenced zombies": _count(world, "attempts where late_result is not null"),
                "reaped": _count(world, "activity_logs where type = 'reaped'"),
                "payloads that moved after a pause of their machine": sum(
                    bool(it.after_a_pause) for it in told.records.values()
                ),
                "longest time without a settled firing, s": _longest_silence(world),
                "answers cut": sum(it.cuts for it in world.wires.values()),
                "restarts of members": sum(it.starts - 1 for it in world.members),
                "deeds refused": dict(world.refused),
            },
        ),
        _table("faults: how many, seconds from the end of one to the next settled firing", _recovery(world, result)),
        _table("longest wait with room for it (invariant 7), s", _waits(result)),
        _table("must be 0", {name: len(found) for name, found in result.violations.items()}),
    ]
    parts += [f"  {name}: {it}" for name, found in result.violations.items() for it in found[:20]]
    return "\n".join(parts)


def _table(title: str, rows: dict[str, object]) -> str:
    width = max((len(it) for it in rows), default=0)
    return "\n".join([f"\n{title}", *(f"  {name:<{width}}  {value}" for name, value in rows.items())])


def _count(world: World, what: str) -> int:
    return world.rows(f"select count(*) from {what}")[0][0]


def _outcomes(world: World) -> dict[str, object]:
    rows = world.rows(
        "select status || coalesce(' / ' || failure_reason, ''), count(*) from firings group by 1 order by 2 desc"
    )
    return dict(rows)


def _levels(world: World, result: Result) -> dict[str, object]:
    return {key: f"{most} / {world.caps.last(key):.0f}" for key, most in result.told.most.items()}


def _done_again(result: Result) -> int:
    done = Counter(it.firing for it in result.told.records.values() if it.done)
    return sum(it > 1 for it in done.values())


def _ends(world: World) -> list[float]:
    offset = boottime() - now().timestamp()
    rows = world.rows("select extract(epoch from ended_at)::float8 from attempts where ended_at is not null order by 1")
    return [row[0] + offset for row in rows]


def _longest_silence(world: World) -> float:
    return round(max((later - earlier for earlier, later in pairwise(_ends(world))), default=0.0), 1)


def _waits(result: Result) -> dict[str, object]:
    return {
        it.phase.name: f"{it.longest_s:5.2f}   bound {it.phase.bound_s:.0f}, on this machine then {it.allowed_s:.1f}"
        for it in result.prompt
    }


def _recovery(world: World, result: Result) -> dict[str, object]:
    ends = _ends(world)
    took: dict[str, list[float]] = defaultdict(list)
    for fault in result.injected:
        following = next((it for it in ends if it > fault.until), None)
        took[fault.kind].append(float("nan") if following is None else following - fault.until)
    return {
        kind: f"{len(it):3}   median {median(it):5.2f}   longest {max(it):5.2f}" for kind, it in sorted(took.items())
    }
