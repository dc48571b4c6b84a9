"""What whoever saves a cron expression should hear, although it is accepted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.rules.cron import Changed, Cron, clock_changes, next_after

RARE = timedelta(days=366)
MOST_CHANGES = 2  # of both changes of a year; Morocco has four


@dataclass(frozen=True, slots=True)
class Note:
    """A stable `code` and the `words` for it."""

    code: str
    words: str


def notes(cron: Cron, zone: ZoneInfo, now: datetime) -> tuple[Note, ...]:
    """Notes on an expression at `now`: that its two day fields add up, that it hardly ever fires."""
    found: list[Note] = []
    days = cron.pattern.days
    if days.by_date and days.by_weekday:
        words = "Day-of-month and day-of-week are both set: it fires on days that match either."
        found.append(Note("cron_either_day", words))
    following = next_after(cron, zone, now)
    if following - now > RARE:
        months = round((following - now) / timedelta(days=30.44))
        found.append(Note("cron_rare", f"Its next occurrence is {following:%Y-%m-%d}, in {months} months."))
    found += [_changed(it, zone) for it in clock_changes(cron, zone, now, now + RARE)[:MOST_CHANGES]]
    return tuple(found)


def saturation(cron: Cron, zone: ZoneInfo, now: datetime, lasts: timedelta | None, overlap: str) -> tuple[Note, ...]:
    """A note where firings last longer than it is from one occurrence to the next, as far as is known."""
    following = next_after(cron, zone, now)
    apart = next_after(cron, zone, following) - following
    if lasts is None or lasts <= apart:
        return ()
    words = (
        f"It comes every {_lasting(apart)}, and a firing may last {_lasting(lasts)}:"
        f" what comes meanwhile is treated as overlap = {overlap} says."
    )
    return (Note("cron_saturated", words),)


def _changed(it: Changed, zone: ZoneInfo) -> Note:
    local = it.at.astimezone(zone)
    if it.twice:
        return Note("cron_twice", f"On {local:%Y-%m-%d} {local:%H:%M} comes twice: it runs once, at the first.")
    words = f"On {local:%Y-%m-%d} clocks are put forward over a time of it: it runs at {local:%H:%M}."
    return Note("cron_gap", words)


def _lasting(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
