"""A clock that was put back while something ran: it took no time, and no counter goes down (OBS-1, OBS-2)."""

from uuid import uuid4

from shared.settings import Settings
from shared.store import tallies
from tests.slots.both import Both
from workers.outcome import Outcome
from workers.settle import settle

# As a tick writes it.
DUE = """
    insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
    select %s, id, workspace_id, 'scheduled', now(), name, target, 60 from schedules
"""
# By the clock as it is after that: it was claimed later than now, and due later than that.
PUT_BACK = """
    update attempts set claimed_at = now() + interval '1 h' where token = %s
"""


def test_what_ran_through_it_took_no_time(both: Both) -> None:
    schedule, firing = both.rows.schedule(avg_duration_ms=1000), uuid4()
    both.rows.sql.execute(DUE, [firing])
    both.admission.offer_again([firing])
    attempt = both.claim(firing)
    both.rows.sql.execute(PUT_BACK, [attempt.token])

    settle(both.admission.database, attempt.token, Outcome(None, exit_code=0), Settings())
    both.rows.sql.execute("update schedule_firing_metrics set fired_at = fired_at + interval '2 h'")

    assert both.rows.all("select avg_duration_ms from schedules where id = %s", schedule) == [(700,)]
    assert both.rows.all("select duration_ms from schedule_firing_metrics") == [(0,)]
    assert both.rows.all("select duration_ms from activity_logs where type = 'cron_run'") == [(0,)]
    counted = {it.name: it.value for it in tallies.counted(both.rows.sql)}
    assert (counted["duration_sum"], counted["lag_sum"], counted["lag"]) == (0, 0, 1)
    assert {it.label for it in tallies.counted(both.rows.sql) if it.name in ("lag", "duration")} == {"0.05"}
