"""Options of `celery worker` that cannot hold here; each is refused before anything starts, with what to do instead."""

from collections.abc import Mapping
from typing import Any

from celery import concurrency
from celery.beat import Scheduler

from shared.celery_app import FIRINGS, MAINTENANCE

_NO_BEAT = "Beat is an app of its own: `celery -A beat beat`, or `slotbeat beat`."
_REFUSED = {
    "autoscale": "A worker fetches no more firings than it has processes for, so --autoscale would stay at its least. "
    "Give it --concurrency N, or start more workers.",
    "beat": f"A worker cannot have the beat inside (-B). {_NO_BEAT}",
    "time_limit": "--time-limit would end a firing as a lost worker's. How long one may run is its schedule's own: "
    "`slotbeat schedule edit NAME --max-run-seconds N`, or SLOTBEAT_MAX_RUN_SECONDS for all that say nothing.",
}


def refuse(options: Mapping[str, Any]) -> None:
    """Ends the program, with the remedy, when a worker was asked to be what it cannot be."""
    pool = options.get("pool")
    if pool is not None and concurrency.get_implementation(pool) is not concurrency.get_implementation("prefork"):
        raise SystemExit(
            "Each firing has a process of the worker's own, so that it can be ended whatever it does: there is no pool "
            "but prefork. Leave out --pool, and say with --concurrency how many may run at once."
        )
    if options.get("pool_start_method") == "spawn":
        raise SystemExit(
            "A worker's processes inherit whom they work for, which those of --pool-start-method spawn do not. "
            "Leave it out."
        )
    for name, why in _REFUSED.items():
        if options.get(name) or options.get(f"soft_{name}"):
            raise SystemExit(why)
    for queue in [*(options.get("queues") or ()), *(options.get("exclude_queues") or ())]:
        if queue not in (FIRINGS, MAINTENANCE):
            raise SystemExit(f"There is no queue {queue!r}. -Q takes {FIRINGS}, {MAINTENANCE} or both.")


class NoBeat(Scheduler):
    """What `celery -A workers beat` would run: it would start, find no schedule of Celery's, and make nothing due."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise SystemExit(_NO_BEAT)
