"""What whoever saves a cron expression should hear, although it is accepted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.rules.cron import Cron, next_after

RARE = timedelta(days=366)


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
    return tuple(found)
