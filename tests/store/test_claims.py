"""The claim in Postgres: all or nothing, once, under the epoch that stands."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.store import attempts, epoch, firings
from shared.store.attempts import Attempt, Refused
from shared.store.connection import connect
from shared.store.invariants import broken
from tests.store.rows import LEASE, Rows, by_hand, claimer
from tests.waiting import until


@pytest.mark.parametrize("full", ["fleet", "workspace", "lane"])
def test_a_claim_takes_a_slot_under_every_limit_or_none(rows: Rows, full: str) -> None:
    """SLT-2."""
    keys = {"fleet": "fleet", "workspace": f"workspace:{rows.workspace}", "lane": "lane:x"}
    for name, key in keys.items():
        rows.cap(key, 1 if name == full else 2)
    rows.running(lane="x")

    answer = rows.claim(rows.firing(lane="x"))

    assert answer == Refused("full", keys[full])
    assert [rows.slots(key)[1] for key in keys.values()] == [1, 1, 1]
    assert rows.one("select status from firings order by line_no desc limit 1") == "queued"


def test_a_second_request_for_a_firing_is_refused(rows: Rows) -> None:
    firing = rows.firing()

    first, second = rows.claim(firing), rows.claim(firing)

    assert isinstance(first, Attempt)
    assert second == Refused("gone", None)
    assert rows.slots("fleet") == (2, 1, 0, 0)


def test_a_request_asked_again_gets_the_same_answer(rows: Rows) -> None:
    firing, request = rows.firing(), uuid4()

    first, again = rows.claim(firing, request), rows.claim(firing, request)

    assert (again.token, again.number, again.request_id) == (first.token, first.number, first.request_id)
    assert rows.one("select count(*) from attempts") == 1


def test_a_firing_committed_while_its_claim_waited_is_claimed_whole(rows: Rows, database_url: str) -> None:
    asked, told = by_hand(rows.workspace), []

    def claim_early() -> None:
        with connect(database_url) as other:
            told.append(attempts.claim(other, asked.id, uuid4(), claimer(0)))

    early = threading.Thread(target=claim_early)
    with rows.sql.transaction():
        epoch.shut_admission(rows.sql)
        early.start()
        until(lambda: rows.all("select from pg_locks where locktype = 'advisory' and not granted"))
        firings.add_by_hand(rows.sql, asked, firings.next_line_no(rows.sql))
    early.join(10)

    assert [it.firing_id for it in told] == [asked.id]
    assert not broken(rows.sql)


def test_a_request_whose_attempt_has_ended_is_gone(rows: Rows) -> None:
    firing, request = rows.firing(max_attempts=2), uuid4()
    first = rows.claim(firing, request)
    rows.settle(first.token, "queued")

    again = rows.claim(firing, request)

    assert again == Refused("gone", None)
    assert rows.one("select status from firings") == "queued"


def test_a_request_is_never_answered_for_another_firing(rows: Rows) -> None:
    request = uuid4()
    rows.claim(rows.firing(), request)

    assert rows.claim(rows.firing(), request) == Refused("gone", None)


@pytest.mark.parametrize("known", [-1, 1, 10])
def test_a_claim_under_another_epoch_is_stale_and_changes_nothing(rows: Rows, known: int) -> None:
    answer = rows.claim(rows.firing(), known=known)

    assert answer == Refused("stale", None)
    assert rows.slots("fleet") == (2, 0, 0, 0)


def test_a_firing_whose_time_has_not_come_is_held(rows: Rows) -> None:
    firing = rows.firing()
    rows.sql.execute("update firings set not_before = now() + interval '1 s'")

    assert rows.claim(firing) == Refused("held", None)


@pytest.mark.parametrize("status", ["paused", "offline", "removed", "provisioning"])
def test_a_firing_of_a_workspace_that_is_not_fit_is_held(rows: Rows, status: str) -> None:
    firing = rows.firing()
    rows.sql.execute("update workspaces set status = %s", [status])

    assert rows.claim(firing) == Refused("held", None)


@pytest.mark.parametrize("source", ["scheduled", "heartbeat", "backfill", "manual"])
def test_a_firing_of_a_paused_schedule_is_held_whoever_asked_for_it(rows: Rows, source: str) -> None:
    """SCH-11."""
    schedule = rows.schedule(overlap="allow", status="paused", paused_reason="user")
    firing = rows.firing(schedule_id=schedule, source=source)

    assert rows.claim(firing) == Refused("held", None)
    rows.sql.execute("update schedules set status = 'active', paused_reason = null where id = %s", [schedule])
    assert isinstance(rows.claim(firing), Attempt)


def test_what_is_asked_for_meanwhile_or_forced_waits_for_no_pause(rows: Rows) -> None:
    schedule = rows.schedule(status="paused", paused_reason="user")
    rerun = rows.firing(schedule_id=schedule, source="rerun")
    forced = rows.firing(schedule_id=schedule, source="manual", forced=True)

    assert [type(rows.claim(it)) for it in (rerun, forced)] == [Attempt, Attempt]


def test_a_schedule_without_overlap_runs_one_firing_at_a_time_but_what_people_ask_for(rows: Rows) -> None:
    schedule = rows.schedule(overlap="queue_all")
    first, second = (rows.firing(schedule_id=schedule, source="backfill") for _ in range(2))
    by_hand = rows.firing(schedule_id=schedule, source="manual")

    answers = [rows.claim(first), rows.claim(second), rows.claim(by_hand)]

    assert isinstance(answers[0], Attempt)
    assert answers[1] == Refused("held", None)
    assert isinstance(answers[2], Attempt)


def test_a_settle_by_an_old_token_changes_nothing(rows: Rows) -> None:
    """SLT-5."""
    firing = rows.firing(max_attempts=2)
    old = rows.claim(firing)
    rows.settle(old.token, "queued")
    new = rows.claim(firing)

    late = rows.settle(old.token, "completed")

    assert not late
    assert new.token > old.token
    assert rows.one("select status from firings") == "running"
    assert rows.slots("fleet") == (2, 1, 0, 0)
    assert not broken(rows.sql)


def test_a_settle_repeated_is_not_a_second_one(rows: Rows) -> None:
    """SLT-4."""
    running = rows.running()

    assert [rows.settle(running.token), rows.settle(running.token)] == [True, False]


def test_an_uncharged_requeue_gives_the_attempt_back(rows: Rows) -> None:
    """SLT-6."""
    running = rows.running()

    rows.settle(running.token, "queued", outcome="interrupted", charged=False)

    assert rows.all("select status, attempt_count, interrupted_count from firings") == [("queued", 0, 1)]
    assert not [it for it in broken(rows.sql) if it.invariant != 10]


def test_a_claim_is_good_for_its_lease_and_its_run(rows: Rows) -> None:
    token = rows.running(max_run_seconds=90).token

    told = rows.all(
        "select heartbeat_expires_at - claimed_at, run_expires_at - claimed_at, lease_ms, now() - claimed_at < '1 min'"
        "  from attempts where token = %s",
        token,
    )

    assert told == [(LEASE, timedelta(seconds=90), 60_000, True)]
