"""Which breaches of a turn budget count against a schedule (STR-2, STR-3)."""

import pytest

from shared.settings import Settings
from tests.slots.both import Both
from workers.outcome import Outcome
from workers.settle import settle


@pytest.mark.parametrize(
    ("of_schedule", "of_settings", "of_firing", "counted"),
    [(9, None, 3, 0), (9, None, 9, 5), (3, None, 9, 5), (None, 9, 3, 0), (None, 9, 9, 5), (None, None, 3, 0)],
)
def test_only_a_breach_of_what_the_schedule_has_counts(
    both: Both, of_schedule: int | None, of_settings: int | None, of_firing: int, counted: int
) -> None:
    schedule = both.rows.schedule(max_turns=of_schedule)

    for _ in range(5):
        attempt = both.claim(both.offered(schedule_id=schedule, source="manual", max_turns=of_firing))
        outcome = Outcome("turn_limit_exceeded", turns=of_firing + 1)
        settle(both.admission.database, attempt.token, outcome, Settings(max_turns=of_settings))
        both.give_back(attempt.firing_id, attempt.request_id)

    found = both.rows.all("select turn_budget_breach_streak, failure_streak, status, run_count from schedules")
    assert found == [(counted, 0, "paused" if counted else "active", 5)]
