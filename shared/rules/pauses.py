"""Whom the pause of a schedule holds (SCH-11); the view `ready` says the same."""


def is_held_by_pause(schedule_status: str | None, source: str, forced: bool) -> bool:
    """All that waits, but what is forced, and a rerun: that is of one firing, and may be asked for meanwhile."""
    return schedule_status == "paused" and source != "rerun" and not forced
