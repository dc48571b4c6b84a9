"""OBS-3: what happened and why, decided from rows."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.rules.reasons import SkipReason
from shared.rules.why.firing import Deed, Fired, Try, why_firing
from shared.rules.why.schedule import _SKIPS, Edit, Row, Skipped, Then, as_it_was, paused_now, why_not
from shared.rules.why.waiting import Around, Hold, Needs, Tripped, waited

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
HERE, THERE, OWN = UUID(int=1), UUID(int=2), UUID(int=3)
SECOND = timedelta(seconds=1)


def before(seconds: float) -> datetime:
    return NOW - seconds * SECOND


def hold(title: str, since: float, until: float | None = None, **over: Any) -> Hold:
    values: dict[str, Any] = {"schedule_id": None, "workspace_id": HERE, "lane": None, **over}
    return Hold(title=title, claimed_at=before(since), ended_at=None if until is None else before(until), **values)


@pytest.mark.parametrize(
    ("holds", "caps", "code", "facts"),
    [
        ([hold("A", 99), hold("B", 99)], {"fleet": 2}, "waited_for_slot", {"limit": "fleet", "behind": ["A", "B"]}),
        (
            [hold("A", 99, 30), hold("B", 29.9)],
            {"fleet": 1},
            "waited_for_slot",
            {"limit": "fleet", "behind": ["B", "A"]},
        ),
        ([hold("A", 99), hold("B", 99, 30)], {"fleet": 2}, "waited", {"behind": ["A", "B"]}),
        ([hold("A", 99), hold("B", 50, lane="m")], {"fleet": 2, "lane:m": 1}, "waited_for_slot", {"limit": "lane:m"}),
        (
            [hold("A", 99), hold("B", 99, workspace_id=THERE)],
            {"fleet": 3, f"workspace:{HERE}": 1},
            "waited_for_slot",
            {},
        ),
        ([hold("A", 99)], {"fleet": 0}, "waited", {"behind": ["A"]}),
        ([hold("A", 99)], {"fleet": 1, f"workspace:{HERE}": 0}, "waited_for_slot", {"limit": "fleet"}),
        ([], {"fleet": 2}, "waited", {"behind": []}),
        ([hold("A", 99, schedule_id=OWN)], {"fleet": 2}, "waited_for_own", {"behind": ["A"]}),
    ],
)
def test_a_wait_is_explained_by_who_held_the_slots(
    holds: list[Hold], caps: dict[str, int], code: str, facts: dict[str, Any]
) -> None:
    found = waited(Needs(OWN, HERE, "here", "m", alone=True), Around(holds, caps), before(41), NOW)

    assert found is not None
    assert (found.code, found.facts["waited_s"]) == (code, 41)
    assert "waited 41 s" in found.words
    assert found.facts.items() >= facts.items()


def test_a_tripped_class_explains_a_wait_and_a_moment_is_none() -> None:
    needs = Needs(OWN, HERE, "here", None, alone=True)
    class_ = Tripped("rate_limited@lane:m", before(60), before(10))

    assert waited(needs, Around([], {"fleet": 1}), before(0.9), NOW) is None
    found = waited(needs, Around([hold("A", 99)], {"fleet": 1}, [class_]), before(41), NOW)
    healed = waited(needs, Around([hold("A", 99)], {"fleet": 1}, [class_]), before(9), NOW)
    assert found is not None
    assert healed is not None
    assert (found.code, healed.code) == ("waited_for_class", "waited_for_slot")


def fired(**over: Any) -> Fired:
    values: dict[str, Any] = {
        "id": UUID(int=9),
        "title": "nightly",
        "number": 4,
        "source": "scheduled",
        "forced": False,
        "status": "completed",
        "nominal_at": before(100),
        "queued_at": before(100),
        "not_before": None,
        "finished_at": NOW,
        "failure_reason": None,
        "error": None,
        "attempt_count": 1,
        "max_attempts": 3,
        "turns": 0,
        "max_turns": None,
        "workspace_id": HERE,
        "workspace": "here",
        "workspace_status": "online",
        "lane": None,
        "schedule_id": OWN,
        "schedule_status": "active",
        "paused_by": None,
        "pause_note": None,
        "overlap": "skip",
        "jitter_s": 0,
        "now": NOW,
        **over,
    }
    return Fired(**values)


def tried(number: int, since: float, until: float | None, outcome: str | None = "completed", **over: Any) -> Try:
    values: dict[str, Any] = {
        "failure_reason": None,
        "exit_code": None,
        "abort_requested_at": None,
        "abort_reason": None,
        "late": False,
        **over,
    }
    ended = None if until is None else before(until)
    return Try(number, "w1", before(since), ended, outcome, **values)


def test_a_story_goes_from_its_occurrence_through_each_attempt_to_its_end() -> None:
    it = fired(
        nominal_at=before(130), not_before=before(50), status="failed", failure_reason="worker_lost", error="gone"
    )
    lost = tried(1, 90, 60, "requeued", failure_reason="worker_lost")
    second = tried(2, 40, 0, "failed", failure_reason="worker_lost", late=True)
    deeds = [Deed("reaped", "reaper", before(60), {"reason": "worker_lost", "worker": "w1", "now": "queued"})]

    why = why_firing(it, [lost, second], deeds, Around([hold("A", 200, 40)], {"fleet": 1}))

    assert [step.code for step in why.steps] == [
        "due",
        "put_off",
        "waited_for_slot",
        "attempt_began",
        "attempt_requeued",
        "reaped",
        "backoff",
        "waited_for_slot",
        "attempt_began",
        "attempt_failed",
        "fenced",
        "failed",
    ]
    assert why.code == "failed"
    assert why.words.startswith("nightly #4 failed: worker_lost (gone), after it put in line 30 s after it was due")
    assert why.words.endswith("; 2 attempts.")


def test_by_hand_cancelled_replaced_and_over_budget_are_said() -> None:
    asked = Deed("manual_force_bypass", "ann", before(9), {})
    cancel = Deed("firing_cancelled", "bob", before(1), {})
    by_hand = why_firing(
        fired(source="manual", status="cancelled", failure_reason="cancelled"),
        [tried(1, 99, 0, "cancelled", abort_requested_at=before(1), abort_reason="cancelled")],
        [asked, cancel],
        Around([], {}),
    )
    breach = why_firing(
        fired(status="failed", failure_reason="turn_limit_exceeded", turns=8, max_turns=7), [], [], Around([], {})
    )

    assert [it.code for it in by_hand.steps if it.code in ("asked_for", "abort_asked", "cancelled_by")] == [
        "asked_for",
        "abort_asked",
        "cancelled_by",
    ]
    assert "run now past the caps by ann" in by_hand.steps[0].words
    assert "(8 turns, its budget was 7)" in breach.words


@pytest.mark.parametrize(
    ("over", "code", "words"),
    [
        ({}, "waits_in_line", "in line"),
        ({"not_before": NOW + SECOND}, "waits_for_backoff", "not before 2026-03-28 12:00:01Z"),
        ({"schedule_status": "paused", "paused_by": "ann", "pause_note": "loud"}, "waits_for_pause", "by ann: loud"),
        ({"schedule_status": "paused", "paused_by": "ann", "source": "manual"}, "waits_for_pause", "by ann"),
        ({"schedule_status": "paused", "source": "rerun"}, "waits_in_line", "in line"),
        ({"schedule_status": "paused", "source": "manual", "forced": True}, "waits_in_line", "in line"),
        ({"workspace_status": "hibernated"}, "waits_for_workspace", "workspace here is hibernated"),
    ],
)
def test_what_waits_now_says_for_what(over: dict[str, Any], code: str, words: str) -> None:
    why = why_firing(fired(status="queued", finished_at=None, **over), [], [], Around([], {}))

    assert why.code == code
    assert words in why.words


@pytest.mark.parametrize(
    ("around", "code", "words"),
    [
        (Around([], {}, [Tripped("timeout@lane:m", before(9), None)]), "waits_for_class", "the class timeout@lane:m"),
        (Around([], {}, [Tripped("timeout@lane:m", before(9), before(1))]), "waits_in_line", "in line"),
    ],
)
def test_what_waits_for_others_says_so(around: Around, code: str, words: str) -> None:
    why = why_firing(fired(status="queued", finished_at=None), [], [], around)

    assert why.code == code
    assert words in why.words


def row(**over: Any) -> Row:
    values: dict[str, Any] = {
        "id": OWN,
        "name": "nightly",
        "status": "active",
        "created_at": NOW - timedelta(days=30),
        "updated_at": NOW - timedelta(days=1),
        "cron": "0 3 * * *",
        "run_at": None,
        "timezone": "UTC",
        "start_at": None,
        "end_at": None,
        "next_run_at": datetime(2026, 3, 29, 3, tzinfo=UTC),
        "deferred_until": None,
        "skip_next_at": None,
        "paused_by": None,
        "paused_reason": None,
        "pause_note": None,
        "paused_until": None,
        "now": NOW,
        **over,
    }
    return Row(**values)


AT = datetime(2026, 3, 27, 10, 0, tzinfo=UTC)
NOTHING = Then(None, [], [])
PAUSED = Deed("schedule_paused", "ann", AT - timedelta(hours=1), {"note": "loud"})
ENDS = Deed("schedule_paused", "ann", AT - timedelta(hours=1), {"until": (AT - SECOND).isoformat()})
RESUMED = Deed("schedule_resumed", "ann", AT - timedelta(hours=1), {})
MOVED = Edit(2, AT + timedelta(hours=1), "ann", {"cron": {"from": "0 10 * * *", "to": "0 3 * * *"}})


@pytest.mark.parametrize(
    ("given", "at", "then", "code", "words"),
    [
        (row(), NOW - timedelta(days=31), NOTHING, "not_there_yet", "was made at 2026-02-26"),
        (row(), AT, NOTHING, "not_due", "before was 2026-03-27 03:00:00Z and the next 2026-03-28 03:00:00Z"),
        (row(), AT, Then(None, [PAUSED], []), "paused", "by ann: loud"),
        (row(), AT, Then(None, [ENDS], []), "not_due", "was not due"),
        (row(), AT, Then(None, [RESUMED], []), "not_due", "was not due"),
        (row(status="archived"), NOW - SECOND, NOTHING, "archived", "ended or was deleted"),
        (row(next_run_at=AT), AT, NOTHING, "overdue", "no beat has come to it"),
        (row(next_run_at=AT, deferred_until=NOW + SECOND), AT, NOTHING, "put_off", "people are talking"),
        (row(), AT, Then(None, [], [MOVED]), "unrecorded", "should have come at 2026-03-27 10:00:00Z"),
        (row(), AT.replace(hour=3), Then(None, [], [MOVED]), "not_due", "was not due"),
        (row(end_at=AT), NOW, NOTHING, "not_due", "before was 2026-03-27 03:00:00Z."),
    ],
)
def test_a_moment_without_a_firing_is_explained(given: Row, at: datetime, then: Then, code: str, words: str) -> None:
    why = why_not(given, at, then)

    assert why.code == code
    assert words in why.words


def test_each_reason_of_a_skip_has_its_words() -> None:
    assert set(_SKIPS) == {str(it) for it in SkipReason}
    one = Skipped(AT, AT, 1, "overlap", None, AT, "firing #3")
    many = Skipped(AT, AT + timedelta(days=2), 3, "missed", "why", AT, "firing #3")

    first, second = why_not(row(), AT, Then(one, [], [])), why_not(row(), AT, Then(many, [], []))

    assert (first.code, second.code) == ("skipped_overlap", "skipped_missed")
    assert first.words.endswith("still queued or running: firing #3.")
    assert "one of 3 from 2026-03-27 10:00:00Z to 2026-03-29" in second.words


def test_what_it_was_before_edits_is_found_by_what_they_changed() -> None:
    later = Edit(3, AT, "ann", {"timezone": {"from": "Asia/Kolkata", "to": "UTC"}, "name": {"from": "a", "to": "b"}})
    start = Edit(4, AT, "ann", {"start_at": {"from": AT.isoformat(), "to": None}})

    assert as_it_was(row(), [MOVED, later, start]) == {
        "cron": "0 10 * * *",
        "run_at": None,
        "timezone": "Asia/Kolkata",
        "start_at": AT,
        "end_at": None,
    }


def test_a_moment_to_come_of_a_paused_schedule_is_paused_until_its_pause_ends() -> None:
    soon = NOW + timedelta(hours=1)
    held, ended = paused_now(row(status="paused", paused_by="ann"), soon), paused_now(row(status="archived"), soon)

    assert held is not None
    assert "until somebody resumes it by ann" in held.words
    assert ended is not None
    assert ended.code == "archived"
    assert paused_now(row(status="paused", paused_until=soon), soon) is None
    assert paused_now(row(), soon) is None
