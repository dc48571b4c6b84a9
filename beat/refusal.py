"""Why none of a due schedule's occurrences may fire, whatever they are."""

from zoneinfo import ZoneInfo

from shared.rules import heartbeats
from shared.rules.reasons import SkipReason
from shared.store.due import DueAlike

Refusal = tuple[SkipReason, str | None]


def refusal_of(schedule: DueAlike, over: str | None) -> Refusal | None:
    """The reason, and what is told besides; `over` says whose rolling budget has nothing left."""
    if schedule.native:
        return SkipReason.NATIVE, None
    if schedule.workspace_status == "removed":
        return SkipReason.WORKSPACE, None
    if schedule.kind == heartbeats.HEARTBEAT and _day_is_spent(schedule):
        return SkipReason.BUDGET, "its turns of the day"
    return None if over is None else (SkipReason.BUDGET, f"{over} of the last 24 hours")


def whose(schedule: DueAlike, used_up: frozenset[str]) -> str | None:
    """Of the budgets that are used up, the first that this schedule is under, in words."""
    under = {
        "fleet": "that of the fleet",
        f"workspace:{schedule.workspace_id}": "that of its workspace",
        f"schedule:{schedule.id}": "its own",
    }
    return next((words for key, words in under.items() if key in used_up), None)


def _day_is_spent(schedule: DueAlike) -> bool:
    today = heartbeats.day_of(schedule.now, ZoneInfo(schedule.timezone))
    turns = heartbeats.spent(schedule.turns_today, schedule.turns_today_on, today)
    return heartbeats.is_spent(schedule.daily_turn_budget, turns)
