"""What the end of an attempt writes of what it used, and which firings of a schedule are still at work."""

from datetime import timedelta

from shared.rules.endings import Becomes, Report
from shared.store import due, firings, progress, settlement
from tests.store.rows import Rows, end_attempt, measure

USED = "select turns, input_tokens, output_tokens, cost_micros, remote_ref from attempts where token = %s"


def end(rows: Rows, token: int, report: Report) -> None:
    with rows.sql.transaction():
        ended = settlement.lock_endings(rows.sql, [token]).get(token)
        assert ended is not None
        assert end_attempt(rows.sql, ended, Becomes("completed", "completed"), report)


def test_what_is_reported_at_the_end_is_written(rows: Rows) -> None:
    token = rows.running().token

    end(rows, token, Report(None, turns=7, input_tokens=11, output_tokens=13, cost_micros=17, remote_ref="r"))

    assert rows.all(USED, token) == [(7, 11, 13, 17, "r")]
    of_firing = "select turns, input_tokens, output_tokens, cost_micros from firings where token = %s"
    assert rows.all(of_firing, token) == [(7, 11, 13, 17)]


def test_what_was_told_on_the_way_stays_where_the_end_says_nothing(rows: Rows) -> None:
    token = rows.running().token
    progress.tell(rows.sql, token, progress.Progress(3, 5, 6, 7, None))

    end(rows, token, Report(None, turns=2))

    assert rows.all(USED, token) == [(3, 5, 6, 7, None)]


def test_what_waits_of_a_backfill_is_none_of_the_presents_business(rows: Rows) -> None:
    schedule = rows.schedule(overlap="allow")
    waits = rows.firing(schedule_id=schedule)
    past = rows.firing(schedule_id=schedule, source="backfill")
    runs = rows.running(schedule_id=schedule).firing_id
    ended = rows.running(schedule_id=schedule)
    rows.settle(ended.token)

    assert set(firings.unfinished(rows.sql, [schedule])) == {waits, runs}
    assert past not in firings.unfinished(rows.sql, [schedule])
    assert firings.unfinished(rows.sql, []) == []


def test_a_workspace_is_at_its_last_task_until_that_ends(rows: Rows) -> None:
    first, last = rows.running(title="first"), rows.running(title="last")

    told = []
    for token in (first.token, last.token):
        rows.settle(token)
        told += rows.all("select active_tasks, current_task from workspaces")

    assert told == [(1, "last"), (0, None)]


def test_how_long_a_firing_waited_is_from_its_place_in_line_to_its_claim(rows: Rows) -> None:
    firing = rows.firing()
    rows.sql.execute("update firings set queued_at = queued_at - %s where id = %s", [timedelta(seconds=5), firing])
    token = rows.claim(firing).token

    with rows.sql.transaction():
        ended = settlement.lock_endings(rows.sql, [token]).get(token)
        assert ended is not None
        measure(rows.sql, ended)

    assert rows.one("select slot_wait_ms between 5000 and 60000 from schedule_firing_metrics")


def test_what_an_attempt_ran_and_the_pause_after_it_are_no_wait_of_the_next_one(rows: Rows) -> None:
    first = rows.running(max_attempts=2)
    rows.settle(first.token, "queued", backoff_s=0)
    hour = timedelta(hours=1)
    rows.sql.execute("update firings set queued_at = queued_at - %s where id = %s", [hour, first.firing_id])
    rows.sql.execute("update firings set not_before = now() - interval '5 s' where id = %s", [first.firing_id])
    token = rows.claim(first.firing_id).token

    with rows.sql.transaction():
        ended = settlement.lock_endings(rows.sql, [token]).get(token)
        assert ended is not None
        measure(rows.sql, ended)

    assert rows.one("select slot_wait_ms between 5000 and 60000 from schedule_firing_metrics")


def test_the_next_due_moment_is_that_of_a_schedule_or_of_the_end_of_a_pause(rows: Rows) -> None:
    assert due.seconds_to_next(rows.sql) is None
    paused = rows.schedule(status="paused", paused_reason="user")
    rows.sql.execute(
        "update schedules set paused_until = now() + interval '100 s', next_run_at = now() + interval '10 s'"
        " where id = %s",
        [paused],
    )

    assert 90 < (due.seconds_to_next(rows.sql) or 0) <= 100

    soon = rows.schedule()
    rows.sql.execute("update schedules set next_run_at = now() + interval '50 s' where id = %s", [soon])

    assert 40 < (due.seconds_to_next(rows.sql) or 0) <= 50
