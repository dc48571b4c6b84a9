"""cronsim, which knows Debian's cron, as another oracle; where it answers otherwise, each case has its reason."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from shared.rules.cron import next_after, parse_cron
from tests.rules.clock_oracle import changes, local, runs
from tests.rules.test_cron_clock import ZONES, _expression

SEED = 20261120
EACH = 334  # of six zones: 2,004 expressions
LOOKED_AT = 8
MINUTE = timedelta(minutes=1)


def theirs(text: str, zone: ZoneInfo, after: datetime) -> list[datetime]:
    return [at.astimezone(UTC) for at in islice(CronSim(text, after.astimezone(zone)), LOOKED_AT)]


def ours(text: str, zone: ZoneInfo, after: datetime) -> list[datetime]:
    cron, found = parse_cron(text), [after]
    while len(found) <= LOOKED_AT:
        found.append(next_after(cron, zone, found[-1]))
    return found[1:]


def after_gap(at: datetime, zone: ZoneInfo) -> bool:
    return local(at, zone) - local(at - MINUTE, zone) > MINUTE


def explained(text: str, zone: ZoneInfo, at: datetime, *, only_ours: bool) -> bool:
    """Why a moment may be in one answer alone.

    Debian's cron takes an expression for one of elapsed time if its minute *or* its hour begins with a star; for us
    the hour alone decides. Of those of elapsed time it loses what falls into a gap, and runs what is repeated twice.
    """
    minute, hour = text.split()[:2]
    if only_ours:
        # Ours runs in place of the time that was skipped; only a pattern of every hour has lost nothing.
        if after_gap(at, zone) and (minute.startswith("*") or hour.startswith("*")):
            return True
        # On a day on which clocks move by half an hour, or at midnight, cronsim loses times that a wall clock shows.
        odd = zone.key in ("Australia/Lord_Howe", "America/Santiago")
        today = any(abs(at - change) < timedelta(days=1) for change in changes(zone, 2026))
        return odd and today and runs(text, zone, at, at + MINUTE) == [at]
    # Ours runs a fixed hour once, however its minutes are written.
    return at.astimezone(zone).fold == 1 and minute.startswith("*") and not hour.startswith("*")


@pytest.mark.parametrize("name", ZONES)
def test_two_thousand_expressions_run_when_cronsim_says_but_for_what_is_explained(name):
    choose = random.Random(f"{SEED} {name}")
    zone = ZoneInfo(name)
    middles = changes(zone, 2026) or [datetime(2026, 7, 1, tzinfo=UTC)]
    differed = 0

    for number in range(EACH):
        text = _expression(choose)
        near = choose.choice(middles) - timedelta(minutes=choose.randint(0, 1500))
        anywhere = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=choose.randint(0, 500_000))
        after = choose.choice([near, anywhere])
        if both_days_with_a_star(text):
            continue
        mine, other = ours(text, zone, after), theirs(text, zone, after)
        until = min(mine[-1], other[-1])
        told = f"seed {SEED}, number {number}: {text!r} in {name} after {after}"
        for at in {*mine} ^ {*other}:
            if at <= until:
                differed += 1
                assert explained(text, zone, at, only_ours=at in mine), f"{told}: {at}"

    assert (differed > 0) == (len(changes(zone, 2026)) > 0), "the explanations are of cases that occur"


def both_days_with_a_star(text: str) -> bool:
    """Day fields of which one is like `*/2` and the other is set: Debian's cron then wants both to match.

    For us, as for croniter and for POSIX, only a bare star leaves a field out; the brute-force clock knows it.
    """
    date, weekday = text.split()[2], text.split()[4]
    return date != "*" and weekday != "*" and (date.startswith("*") or weekday.startswith("*"))
