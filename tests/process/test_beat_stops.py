"""A beat that is told to stop, wherever it is just then."""

import signal

from shared.store.connection import connect
from tests.process.conftest import Fleet
from tests.waiting import until


def test_a_beat_in_the_middle_of_a_query_stops_and_takes_its_row_off(fleet: Fleet) -> None:
    """Found by the chaos run: Celery's handler asked on the connection whose lock the query held, for ever."""
    beat = fleet.beat()
    until(lambda: fleet.rows("select 1 from processes where kind = 'beat'"), 30)
    waits = "select 1 from pg_stat_activity where application_name = 'slotbeat beat' and wait_event_type = 'Lock'"

    with connect(fleet.environment["DATABASE_URL"]) as other, other.transaction():
        other.execute("lock table schedules in access exclusive mode")
        until(lambda: fleet.rows(waits))
        beat.send(signal.SIGTERM)
        beat.wait(10)

    assert fleet.rows("select 1 from processes where kind = 'beat'") == []
