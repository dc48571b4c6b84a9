"""What is not to be mistaken for something else: a wait for a slot, an outage, a pause (OBS-3)."""

from datetime import timedelta

import pytest

from shared.rules.budgets import Spent
from shared.rules.why.firing import why_firing
from shared.rules.why.schedule import Then, why_not
from shared.rules.why.waiting import Around, Hold, Tripped
from tests.rules.test_why import AT, HERE, OWN, PAUSED, before, fired, hold, row

RUNS, HAS_RUN = hold("nightly", 9, schedule_id=OWN), hold("nightly", 9, 1, schedule_id=OWN)


@pytest.mark.parametrize(
    ("overlap", "source", "held", "code"),
    [
        ("skip", "scheduled", RUNS, "waits_for_own"),
        ("queue_all", "backfill", RUNS, "waits_for_own"),
        ("skip", "scheduled", HAS_RUN, "waits_in_line"),
        ("skip", "scheduled", hold("other", 9), "waits_in_line"),
        ("allow", "scheduled", RUNS, "waits_in_line"),
        ("skip", "manual", RUNS, "waits_in_line"),
    ],
)
def test_what_waits_for_another_firing_of_its_schedule_is_not_called_in_line(
    overlap: str, source: str, held: Hold, code: str
) -> None:
    waits = fired(status="queued", finished_at=None, overlap=overlap, source=source, schedule_id=OWN)

    why = why_firing(waits, [], [], Around([held], {"fleet": 9, f"workspace:{HERE}": 9}))

    assert why.code == code
    assert ("another firing of its schedule runs" in why.words) is (code == "waits_for_own")


def test_what_waits_for_its_schedule_waits_for_its_budget_after_that() -> None:
    """The claim looks in this order."""
    waits = fired(status="queued", finished_at=None, schedule_id=OWN, overlap="skip")

    why = why_firing(waits, [], [], Around([RUNS], {"fleet": 9}, spent=[Spent("fleet", "the fleet")]))

    assert why.code == "waits_for_own"


def test_the_one_that_tries_whether_an_outage_is_over_waits_for_its_slot_only() -> None:
    waits = fired(status="queued", finished_at=None)
    tripped = Tripped("timeout@lane:m", before(9), None, tried_by_it=True)

    assert why_firing(waits, [], [], Around([], {}, [tripped])).code == "waits_in_line"


def test_what_was_deleted_in_its_pause_is_not_called_paused() -> None:
    deleted = row(status="archived", updated_at=AT - timedelta(minutes=30))

    assert why_not(deleted, AT, Then(None, [PAUSED], [])).code == "archived"
    assert why_not(deleted, AT - timedelta(minutes=40), Then(None, [PAUSED], [])).code == "paused"
