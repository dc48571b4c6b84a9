"""Why an occurrence made no firing, told after beat has decided it (OBS-3)."""

from datetime import timedelta

import pytest

from console.deeds import why
from tests.schedules.conftest import NOON, World

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("key", "words"), [("fleet", "that of the fleet"), ("workspace", "that of its workspace"), ("schedule", "its own")]
)
def test_a_skip_for_a_budget_says_whose(world: World, key: str, words: str) -> None:
    known = world.schedule(budget_turns=5 if key == "schedule" else 100)
    if key != "schedule":
        of = "fleet" if key == "fleet" else f"workspace:{world.workspace}"
        world.rows.execute("insert into budgets (key, turns) values (%s, 5)", [of])
    world.rows.execute(
        "insert into spend (token, schedule_id, workspace_id, is_reserved, turns) values (1, %s, %s, false, 5)",
        [known.id, world.workspace],
    )
    world.rows.execute("update schedules set created_at = %s", [NOON])

    world.set(NOON + HOUR)
    world.beat()

    told = why.of_schedule(world.admission.database, known.id, None).why
    assert told.code == "skipped_budget"
    assert f"because a budget was used up ({words} of the last 24 hours)" in told.words


def test_a_heartbeat_that_spent_its_day_says_so(world: World) -> None:
    known = world.schedule(kind="heartbeat", daily_turn_budget=3)
    world.rows.execute("update schedules set created_at = %s, turns_today = 3, turns_today_on = '2026-11-20'", [NOON])

    world.set(NOON + HOUR)
    world.beat()

    told = why.of_schedule(world.admission.database, known.id, None).why
    assert "a budget was used up (its turns of the day)" in told.words


def test_what_has_run_for_the_last_time_had_not_ended_before(world: World) -> None:
    known = world.schedule(kind="once", cron=None, run_at=(NOON + 3 * HOUR).isoformat())
    world.rows.execute("update schedules set created_at = %s", [NOON])
    world.set(NOON + 3 * HOUR)
    world.beat()
    world.later(hours=1)

    def code(after: timedelta) -> str:
        return why.of_schedule(world.admission.database, known.id, NOON + after).why.code

    assert world.is_(known.id) == "archived"
    assert [code(2 * HOUR), code(4 * HOUR)] == ["not_due", "archived"]


def test_what_was_made_as_its_workspace_went_ends_with_its_first_occurrence(world: World) -> None:
    """Whoever makes a schedule has looked at its workspace before; the removal archives what there is by then."""
    known = world.schedule()
    world.rows.execute("update schedules set created_at = %s", [NOON])
    world.rows.execute("update workspaces set status = 'removed'")

    for _ in range(3):
        world.later(hours=1)
        world.beat()

    assert world.is_(known.id) == "archived"
    assert world.skips(known.id) == [(NOON + HOUR, NOON + HOUR, 1, "workspace")]
    assert "because its workspace was removed" in why.of_schedule(world.admission.database, known.id, None).why.words
