"""What the end of an attempt writes of what it used, and which firings of a schedule are still at work."""

from shared.rules.endings import Becomes, Report
from shared.store import firings, progress, settlement
from tests.store.rows import Rows

USED = "select turns, input_tokens, output_tokens, cost_micros, remote_ref from attempts where token = %s"


def end(rows: Rows, token: int, report: Report) -> None:
    with rows.sql.transaction():
        ended = settlement.lock_ending(rows.sql, token)
        assert ended is not None
        assert settlement.end_attempt(rows.sql, ended, Becomes("completed", "completed"), report)


def test_what_is_reported_at_the_end_is_written(rows: Rows) -> None:
    token = rows.running().token

    end(rows, token, Report(None, turns=7, input_tokens=11, output_tokens=13, cost_micros=17, remote_ref="r"))

    assert rows.all(USED, token) == [(7, 11, 13, 17, "r")]


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
