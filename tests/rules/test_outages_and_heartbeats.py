"""Tables: deferrals (SCH-13), a heartbeat's answer and day (SCH-14), held failures and probes (STR-5, STR-6)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.rules import pressure
from shared.rules.failure_classes import Evidence, Judged, Patience, judge, probe_after
from shared.rules.heartbeats import day_of, is_spent, nothing_to_do, spent
from shared.rules.reasons import Reason
from shared.rules.streaks import Ended, Streaks, WarningCode, after_firing

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("late_s", "until_s"), [(0, 30), (869, 899), (880, 900), (899, 900), (900, None), (9000, None)]
)
def test_an_occurrence_is_put_off_in_steps_and_never_beyond_the_most(late_s: int, until_s: int | None) -> None:
    told = pressure.put_off_until(NOON, NOON + timedelta(seconds=late_s), pressure.Patience())

    assert told == (None if until_s is None else NOON + timedelta(seconds=until_s))


@pytest.mark.parametrize(
    ("result", "nothing"),
    [
        ('{"action": "none"}', True),
        ('looked at it\n{"action": "none"}\n', True),
        ('```json\n{\n  "action": "none"\n}\n```', True),
        ('{"action": "report"}', False),
        ('{"action": "none"}\nbut one thing', False),
        ('["action", "none"]', False),
        ("none", False),
        ("", False),
        (None, False),
        ("[" * 4000, False),
    ],
)
def test_only_the_answer_itself_means_nothing_to_do(result: str | None, nothing: bool) -> None:
    assert nothing_to_do(result) is nothing


def test_turns_of_another_day_are_none_and_the_day_is_the_zones() -> None:
    assert day_of(NOON, ZoneInfo("Pacific/Kiritimati")) == date(2026, 11, 21)
    assert (spent(7, date(2026, 11, 19), date(2026, 11, 20)), spent(7, NOON.date(), NOON.date())) == (0, 7)
    assert [is_spent(it, 7) for it in (None, 8, 7)] == [False, False, True]


@pytest.mark.parametrize(
    ("seen", "judged"),
    [
        (Evidence(tripped=False, failing=2, completed_since=True), Judged(trips=False, held=False)),
        (Evidence(tripped=False, failing=2, completed_since=False), Judged(trips=False, held=True)),
        (Evidence(tripped=False, failing=3, completed_since=True), Judged(trips=True, held=True)),
        (Evidence(tripped=True, failing=9, completed_since=True), Judged(trips=False, held=True)),
    ],
)
def test_the_third_schedule_trips_and_what_nothing_disproves_is_held(seen: Evidence, judged: Judged) -> None:
    assert judge(seen, 3) == judged


def test_probes_go_at_twice_the_interval_up_to_the_slowest() -> None:
    seconds = [probe_after(it, Patience()).total_seconds() for it in (0, 1, 2, 3, 4, 5, 1000)]

    assert seconds == [60, 120, 240, 480, 900, 900, 900]


def test_the_third_failure_held_while_alone_warns_and_pauses_nothing() -> None:
    held = Ended(Reason.AUTH_FAILED, NOON, held=True, alone=True)

    told = after_firing(Streaks(failures=2, held=2), held)

    assert (told.streaks, told.pause) == (Streaks(failures=2, held=3), None)
    assert told.warnings == (WarningCode.FAILURES_HELD,)
    assert after_firing(Streaks(held=3), Ended(None, NOON)).streaks.held == 0
