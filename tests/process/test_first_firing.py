"""The spine with real processes: due, claimed, run, settled."""

from tests.process.conftest import Fleet


def test_a_due_schedule_fires_once_and_is_written_back(fleet: Fleet) -> None:
    schedule = fleet.schedule(fleet.workspace(), "hello", ["sh", "-c", 'cat; echo \'{"type":"turn"}\''], prompt="hi")
    fleet.worker()
    fleet.beat()

    ended = fleet.ended()

    assert ended == [("hello", "completed", None)]
    row = fleet.rows("select run_count, last_status, next_run_at > now() from schedules where id = %s", schedule)
    assert row == [(1, "ok", True)]
