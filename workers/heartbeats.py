"""What the end of a heartbeat adds to its schedule: a suppression, and its turns of the day (SCH-14)."""

from shared.rules import heartbeats
from shared.rules.zones import zone_or_utc
from shared.store import settlement
from shared.store.connection import Postgres
from shared.store.settlement import Ended
from workers.outcome import Outcome


def is_suppressed(ended: Ended, outcome: Outcome) -> bool:
    """Whether a heartbeat completed and had nothing to do."""
    of_heartbeat = ended.kind == heartbeats.HEARTBEAT and outcome.reason is None
    return of_heartbeat and heartbeats.nothing_to_do(outcome.result)


def count_turns(connection: Postgres, ended: Ended, outcome: Outcome) -> None:
    """Counts an attempt's turns towards its schedule's day, whether or not the firing tries again."""
    turns = max(ended.turns, outcome.turns or 0)
    if ended.schedule_id is None or ended.kind != heartbeats.HEARTBEAT or not turns:
        return
    # A schedule whose zone is no more must still end its firings; beat sets it aside.
    today = heartbeats.day_of(ended.now, zone_or_utc(ended.timezone or "UTC"))
    before = heartbeats.spent(ended.turns_today or 0, ended.turns_today_on, today)
    settlement.count_today(connection, ended.schedule_id, before + turns, today)
