"""What a due schedule does: on time, late, after an outage, at its bounds (SCH-2, SCH-8, SCH-10)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules import cron as cron_rules
from shared.rules.cron import occurrences, parse_cron
from shared.rules.missed import Due, Missed, ScheduleFacts, SkipRange, due_now, first_due, passed
from shared.rules.reasons import SkipReason

ZONE = ZoneInfo("Europe/Berlin")
HOURLY = parse_cron("@hourly")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MISSED, DEADLINE = SkipReason.MISSED, SkipReason.DEADLINE


def facts(next_run_at=NOON, cron=HOURLY, **known):
    return ScheduleFacts(next_run_at, cron, ZONE, **known)


def due(fire=(), skips=(), then=None, **known):
    return Due(tuple(fire), tuple(skips), then, known.get("refused", then))


def skip(first, last, count, reason=MISSED):
    return SkipRange(first, last, count, reason)


@pytest.mark.parametrize("missed", ["latest", "all", "none"])
@pytest.mark.parametrize("late", [timedelta(0), SECOND, 59 * SECOND])
def test_a_schedule_due_a_moment_ago_fires_and_waits_for_the_next(missed, late):
    assert due_now(facts(missed=missed), NOON + late) == due([NOON], then=NOON + HOUR)


def test_the_common_case_asks_for_one_next_time(monkeypatch):
    asked = []
    monkeypatch.setattr("shared.rules.missed.count_between", lambda *given: asked.append(given))
    monkeypatch.setattr("shared.rules.missed.last_until", lambda *given: asked.append(given))

    due_now(facts(), NOON + SECOND)

    assert asked == []


@pytest.mark.parametrize("waits", [{}, {"deferred_until": NOON + 30 * SECOND}])
def test_a_schedule_that_is_not_due_is_left_as_it_is(waits):
    before = NOON + 29 * SECOND if waits else NOON - timedelta(microseconds=1)

    assert due_now(facts(**waits), before) == due(then=NOON)


LATE = NOON + 3 * HOUR + 10 * MINUTE
LAST = NOON + 3 * HOUR
NEXT = NOON + 4 * HOUR
EARLIER = skip(NOON, NOON + 2 * HOUR, 3)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, due([LAST], [EARLIER], NEXT)),
        ({"start_deadline_s": 600}, due([LAST], [EARLIER], NEXT)),
        ({"start_deadline_s": 599}, due([], [EARLIER, skip(LAST, LAST, 1, DEADLINE)], NEXT)),
        ({"missed": "none"}, due([], [EARLIER, skip(LAST, LAST, 1)], NEXT)),
        ({"missed": "all"}, due([LAST], [EARLIER], NEXT)),  # not with overlap = skip
        (
            {"missed": "all", "overlap": "queue_all"},
            due([NOON, NOON + HOUR, NOON + 2 * HOUR, LAST], [], NEXT),
        ),
        (
            {"missed": "all", "overlap": "allow", "start_deadline_s": 4200},
            due([NOON + 2 * HOUR, LAST], [skip(NOON, NOON + HOUR, 2, DEADLINE)], NEXT),
        ),
        (
            {"missed": "all", "overlap": "allow", "start_deadline_s": 60},
            due([], [skip(NOON, LAST, 4, DEADLINE)], NEXT),
        ),
        ({"end_at": NOON + 2 * HOUR}, due([NOON + 2 * HOUR], [skip(NOON, NOON + HOUR, 2)], None)),
        ({"end_at": LAST}, due([LAST], [EARLIER], None)),
        ({"remaining_runs": 1}, due([LAST], [EARLIER], None, refused=NEXT)),
        ({"remaining_runs": 2}, due([LAST], [EARLIER], NEXT)),
        (
            {"missed": "all", "overlap": "allow", "remaining_runs": 3},
            due([NOON, NOON + HOUR, NOON + 2 * HOUR], [], None, refused=LAST),
        ),
        ({"deferred_until": LATE - SECOND, "start_deadline_s": 5}, due([LAST], [EARLIER], NEXT)),
        ({"start_at": NOON + 2 * HOUR}, due([LAST], [skip(NOON + 2 * HOUR, NOON + 2 * HOUR, 1)], NEXT)),
    ],
)
def test_an_outage_of_three_hours_ends_as_the_schedule_wants(known, expected):
    assert due_now(facts(**known), LATE) == expected


@pytest.mark.parametrize(
    ("known", "late", "expected"),
    [
        ({"start_deadline_s": 30}, 30, due([NOON], [], NOON + HOUR)),
        ({"start_deadline_s": 30}, 31, due([], [skip(NOON, NOON, 1, DEADLINE)], NOON + HOUR)),
        (
            {"start_deadline_s": 30, "jitter": MINUTE, "next_run_at": NOON + MINUTE},
            90,
            due([NOON], [], NOON + 61 * MINUTE),
        ),
        ({"missed": "none"}, 60, due([NOON], [], NOON + HOUR)),
        ({"missed": "none"}, 61, due([], [skip(NOON, NOON, 1)], NOON + HOUR)),
        ({"start_deadline_s": 30, "deferred_until": NOON + 900 * SECOND}, 925, due([NOON], [], NOON + HOUR)),
        ({"remaining_runs": 1}, 1, due([NOON], [], None, refused=NOON + HOUR)),
        ({"remaining_runs": 0}, 1, due()),
        ({"end_at": NOON}, 1, due([NOON])),
        ({"end_at": NOON - SECOND}, 1, due()),
        ({"start_at": NOON + 10 * MINUTE}, 660, due(then=NOON + HOUR)),
        ({"cron": None}, 1, due([NOON])),
        ({"cron": None, "start_deadline_s": 30}, 31, due([], [skip(NOON, NOON, 1, DEADLINE)])),
        ({"cron": None, "missed": "none"}, 3600, due([], [skip(NOON, NOON, 1)])),
        ({"cron": None}, 86400 * 400, due([NOON])),
    ],
)
def test_one_late_occurrence_ends_as_the_schedule_wants(known, late, expected):
    assert due_now(facts(**known), NOON + late * SECOND) == expected


def test_jitter_delays_the_run_and_leaves_the_nominal_time():
    delayed = facts(NOON + 10 * MINUTE, jitter=10 * MINUTE)

    assert due_now(delayed, NOON + 9 * MINUTE) == due(then=NOON + 10 * MINUTE)
    assert due_now(delayed, NOON + 10 * MINUTE) == due([NOON], [], NOON + HOUR + 10 * MINUTE)
    assert due_now(delayed, NOON + 65 * MINUTE) == due([NOON], [], NOON + HOUR + 10 * MINUTE)
    assert due_now(delayed, NOON + 70 * MINUTE).fire == (NOON + HOUR,)


def test_a_year_of_minutes_is_caught_up_with_the_newest_hundred():
    minutely = facts(NOON - 365 * DAY, parse_cron("* * * * *"), missed="all", overlap="queue_all")

    found = due_now(minutely, NOON)

    assert found.fire == tuple(NOON - n * MINUTE for n in range(99, -1, -1))
    assert found.skips == (skip(NOON - 365 * DAY, NOON - 100 * MINUTE, 365 * 1440 - 99),)
    assert found.next_run_at == NOON + MINUTE


def test_a_year_of_minutes_costs_no_loop_over_them(monkeypatch):
    asked = []
    real = cron_rules.wall.first_from
    monkeypatch.setattr(cron_rules.wall, "first_from", lambda *given: asked.append(given) or real(*given))

    found = due_now(facts(NOON - 365 * DAY, parse_cron("*/1 * * * *")), NOON)

    assert found.skips[0].count == 365 * 1440
    assert len(asked) < 50


def test_a_row_whose_time_is_no_longer_its_crons_is_still_one_occurrence():
    found = due_now(facts(NOON + 7 * MINUTE), LATE)

    assert found == due([LAST], [skip(NOON + 7 * MINUTE, NOON + 2 * HOUR, 3)], NEXT)


@pytest.mark.parametrize(
    ("known", "after", "expected"),
    [
        ({}, NOON, NOON + HOUR),
        ({}, NOON - SECOND, NOON),
        ({"jitter": MINUTE}, NOON - SECOND, NOON + MINUTE),
        ({"start_at": NOON + 5 * HOUR}, NOON, NOON + 5 * HOUR),
        ({"start_at": NOON - DAY}, NOON, NOON + HOUR),
        ({"end_at": NOON + HOUR}, NOON, NOON + HOUR),
        ({"end_at": NOON + 59 * MINUTE}, NOON, None),
        ({"end_at": NOON - HOUR}, NOON, None),
        ({"remaining_runs": 0}, NOON, None),
        ({"cron": None, "next_run_at": NOON + DAY}, NOON, NOON + DAY),
    ],
)
def test_the_first_due_moment_honours_the_bounds(known, after, expected):
    assert first_due(facts(**known), after) == expected


CRONS = ["* * * * *", "@hourly", "*/7 3-9 * * 1-5", "30 2 * * *", "0 */2 * * *"]
OPTIONAL_SECONDS = st.none() | st.integers(0, 20_000)


@st.composite
def late_rows(draw):
    """A schedule around the change to summer time, late by up to two days, with its clock."""
    cron = draw(st.sampled_from(CRONS).map(parse_cron))
    start = datetime(2026, 3, 27, tzinfo=UTC) + SECOND * draw(st.integers(0, 3 * 86400))
    nominal = occurrences(cron, ZONE, start, start + 9 * DAY, 1)[0]
    ends_s = draw(OPTIONAL_SECONDS)
    row = facts(
        nominal,
        cron,
        missed=draw(st.sampled_from(Missed)),
        overlap=draw(st.sampled_from(["skip", "allow"])),
        start_deadline_s=draw(OPTIONAL_SECONDS),
        end_at=None if ends_s is None else nominal + ends_s * SECOND,
    )
    jitter = SECOND * draw(st.sampled_from([0, 45, 4000]))
    now = nominal + jitter + SECOND * draw(st.integers(0, 200_000))
    return replace(row, next_run_at=nominal + jitter, jitter=jitter), now


@settings(max_examples=150, deadline=None)
@given(late_rows())
def test_every_occurrence_ends_as_one_firing_or_one_skip(late):
    row, now = late

    found = due_now(row, now)

    horizon = min(now - row.jitter, row.end_at) if row.end_at else now - row.jitter
    skipped = [occurrences(row.cron, ZONE, it.first_at, it.last_at, 9999) for it in found.skips]
    owed = occurrences(row.cron, ZONE, row.next_run_at - row.jitter, horizon, 9999)
    assert sorted([*found.fire, *chain.from_iterable(skipped)]) == owed
    for some, told in zip(skipped, found.skips, strict=True):
        assert (some[0], some[-1], len(some)) == (told.first_at, told.last_at, told.count)
    assert len(found.fire) <= (100 if (row.missed, row.overlap) == ("all", "allow") else 1)
    assert found.next_run_at is None or found.next_run_at > now
    following = occurrences(row.cron, ZONE, horizon + INSTANT, row.end_at or horizon + 9 * DAY, 1)
    assert found.next_run_at == (following[0] + row.jitter if following else None)


NINE = parse_cron("0 9 * * *")
SIX = datetime(2026, 11, 20, 6, tzinfo=UTC)  # nine o'clock where clocks are three hours ahead; in Berlin it is at eight
EIGHT = SIX + 2 * HOUR


@pytest.mark.parametrize("missed", ["latest", "all", "none"])
@pytest.mark.parametrize("jitter", [timedelta(0), 90 * SECOND])
def test_what_a_zones_new_rules_make_too_early_waits_and_runs_once(missed, jitter):
    row = facts(SIX + jitter, NINE, missed=missed, jitter=jitter)

    early = due_now(row, SIX + 2 * MINUTE)

    assert early == due(then=EIGHT + jitter)
    waits = replace(row, next_run_at=early.next_run_at)
    assert due_now(waits, EIGHT + jitter) == due([EIGHT], then=EIGHT + DAY + jitter)


@pytest.mark.parametrize("late", [10 * MINUTE, HOUR, 2 * HOUR])
def test_what_a_zones_new_rules_make_too_late_runs_all_the_same(late):
    row = facts(EIGHT + late, NINE, missed="none", start_deadline_s=60)

    assert due_now(row, EIGHT + late) == due([EIGHT + late], then=EIGHT + DAY)


def test_an_end_that_a_zones_new_rules_put_before_an_occurrence_leaves_none():
    assert due_now(facts(SIX, NINE, end_at=SIX + HOUR), SIX) == due(then=None)


@pytest.mark.parametrize("next_run_at", [SIX + SECOND, SIX - 30 * DAY])
def test_a_moment_that_no_rules_name_is_an_occurrence_of_its_own(next_run_at):
    cron = parse_cron("0 9 20 11 *")

    assert due_now(facts(next_run_at, cron), next_run_at).fire == (next_run_at,)


def test_a_moment_that_somebody_wrote_by_hand_is_an_occurrence_of_its_own():
    by_hand = EIGHT - 4 * HOUR

    assert due_now(facts(by_hand, NINE), by_hand) == due([by_hand], then=EIGHT)


def test_a_pause_takes_nothing_that_a_zones_new_rules_put_behind_it():
    assert passed(facts(SIX, NINE), SIX + HOUR, SkipReason.PAUSED) == ()
    assert passed(facts(SIX, NINE), EIGHT, SkipReason.PAUSED) == (skip(EIGHT, EIGHT, 1, SkipReason.PAUSED),)
