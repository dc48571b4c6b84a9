"""OBS-3 and budgets: a firing that waits for one is told which, and what is spent of it."""

from dataclasses import replace

import pytest

from shared.rules.budgets import Spent, nothing_left
from shared.rules.why.firing import why_firing
from shared.rules.why.waiting import Around
from tests.rules.test_why import NOW, SECOND, fired

SPENT = Spent("fleet", "the fleet", "9 of 9 turns")


def test_what_waits_for_its_budget_names_it_and_when_it_looks_again() -> None:
    held = Around([], {"fleet": 1}, (), [SPENT])
    waits = fired(status="queued", finished_at=None, not_before=NOW + SECOND)

    why, ended = why_firing(waits, [], [], held), why_firing(fired(), [], [], held)
    paused = why_firing(replace(waits, schedule_status="paused", paused_by="ann"), [], [], held)

    assert why.code == "waits_for_budget"
    assert "leaves nothing (9 of 9 turns); it looks again at 2026-03-28 12:00:01Z" in why.words
    [step] = [it for it in why.steps if it.code == "waited_for_budget"]
    assert (step.facts["budgets"], step.facts["waited_s"]) == (["fleet"], 100)
    assert "budget" not in ended.words
    assert paused.code == "waits_for_pause"
    assert why_firing(replace(waits, not_before=None), [], [], replace(held, caps={"fleet": 0})).code == why.code


@pytest.mark.parametrize(
    ("measures", "figures"),
    [
        ([("turns", 10, 10, 0)], "10 of 10 turns"),
        ([("turns", 10, 6, 4)], "6 of 10 turns, 4 turns held for what runs"),
        ([("turns", 10, 9, 0), ("micros", 2_000_000, 2_500_000, 0)], "2.50 of 2.00 USD"),
        ([("turns", 10, 5, 4)], None),
        ([], None),
    ],
)
def test_a_budget_leaves_nothing_when_what_is_spent_and_held_reaches_it(
    measures: list[tuple[str, int, int, int]], figures: str | None
) -> None:
    found = nothing_left("workspace:x", "lab", measures)

    assert (found and found.figures) == figures
    assert found is None or str(found) == f"the budget of workspace lab leaves nothing ({figures})"
