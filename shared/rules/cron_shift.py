"""A cron expression moved within its hours: the same hours and days, other minutes."""

from collections.abc import Iterator

from shared.rules.cron import ALIASES, Cron, parse_cron

HOUR = 60
STEP = 5


def shifts(cron: Cron) -> Iterator[Cron]:
    """The expression moved by 5, 10, ... 55 minutes, each once and never as it was; hours are kept."""
    fields = ALIASES.get(cron.text, cron.text).split(" ")
    minutes = frozenset(it % HOUR for it in cron.pattern.minutes)
    seen = {minutes}
    for by in range(STEP, HOUR, STEP):
        moved = frozenset((it + by) % HOUR for it in minutes)
        if moved not in seen:
            seen.add(moved)
            yield parse_cron(" ".join([_field(sorted(moved)), *fields[1:]]))


def _field(minutes: list[int]) -> str:
    """Minutes of an hour as one would write them: 7, */15, 7-59/15 or 7,20."""
    step = HOUR // len(minutes)
    if len(minutes) == 1 or minutes != list(range(minutes[0], HOUR, step)) or minutes[0] >= step:
        return ",".join(str(it) for it in minutes)
    return f"*/{step}" if minutes[0] == 0 else f"{minutes[0]}-{HOUR - 1}/{step}"
