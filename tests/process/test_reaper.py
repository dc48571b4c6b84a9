"""The sweep on real rows, without waiting for real leases: Postgres's rows are moved in time instead."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.celery_app import REAP, close_app, make_app
from shared.settings import Settings
from shared.store import activity, attempts, cadence, firings, liveness, processes
from tests.process.conftest import Fleet
from tests.process.test_lost_workers import by_hand
from workers import reaper
from workers.identity import this_worker
from workers.outcome import Outcome
from workers.settle import settle
from workers.station import Station

LEASE = timedelta(seconds=60)
SETTINGS = Settings(reap_every_s=0.001)


@pytest.fixture
def station(fleet: Fleet) -> Iterator[Station]:
    app = make_app("reaper")
    made = Station(app, this_worker("reaper@test"))
    made.settings = SETTINGS
    made.refresh = lambda: made.settings
    yield made
    made.close()
    close_app(app)


def running(
    fleet: Fleet, title: str = "it", *, most_attempts: int = 1, success_check: dict[str, Any] | None = None
) -> int:
    """A firing that runs, as far as the rows say; its token."""
    fleet.admission.set_cap("fleet", 100, "test")
    [(known,)] = fleet.rows("select count(*) from workspaces")
    workspace: UUID = fleet.rows("select id from workspaces")[0][0] if known else fleet.workspace()
    firing = replace(by_hand(workspace), title=title, max_attempts=most_attempts, success_check=success_check)
    fleet.admission.run_now(firing, activity.Deed("run", "test", {}), queue=False)
    request = uuid4()
    fleet.admission.gate.claim(firing.id, request, "w", 60_000)
    by = attempts.Claimer({"id": "w"}, None, fleet.admission.gate.epoch, LEASE)
    claimed = attempts.claim(fleet.database.connection(), firing.id, request, by)
    assert isinstance(claimed, attempts.Attempt)
    return claimed.token


def age(fleet: Fleet, token: int, seconds: float) -> None:
    """Lets an attempt's clocks have begun so long ago."""
    fleet.database.connection().execute(
        "update attempts set claimed_at = claimed_at - %(by)s, heartbeat_expires_at = heartbeat_expires_at - %(by)s,"
        " run_expires_at = run_expires_at - %(by)s, dead_tick_at = dead_tick_at - %(by)s,"
        " exited_at = exited_at - %(by)s where token = %(token)s",
        {"by": timedelta(seconds=seconds), "token": token},
    )


def sweep(fleet: Fleet, station: Station, times: int = 1) -> dict[str, int]:
    told: dict[str, int] = {}
    for _ in range(times):
        fleet.database.connection().execute("delete from cadence")
        told = reaper.sweep(station)
    return told


def status(fleet: Fleet, token: int) -> tuple[str, str | None]:
    [row] = fleet.rows("select status, failure_reason from firings where token = %s", token)
    return row


def test_a_live_attempt_within_its_lease_is_never_touched_whatever_the_number_of_sweeps(
    fleet: Fleet, station: Station
) -> None:
    """REA-2."""
    token = running(fleet)

    assert sweep(fleet, station, times=20) == {}

    assert status(fleet, token) == ("running", None)
    assert fleet.rows("select dead_ticks from attempts") == [(0,)]


def test_a_lost_worker_needs_two_sweeps_in_a_row_a_renewal_interval_apart(fleet: Fleet, station: Station) -> None:
    """REA-3: a backlog of sweeps judges no faster, and one renewal resets the count."""
    token = running(fleet)
    age(fleet, token, 80)

    sweep(fleet, station, times=5)
    assert status(fleet, token) == ("running", None)
    attempts.renew(fleet.database.connection(), [token], LEASE)
    age(fleet, token, 80)
    sweep(fleet, station, times=5)
    assert status(fleet, token) == ("running", None)
    age(fleet, token, 16)
    sweep(fleet, station)

    assert status(fleet, token) == ("failed", "worker_lost")


def test_a_requeued_firing_is_charged_until_its_attempts_are_used_up(fleet: Fleet, station: Station) -> None:
    """REA-6."""
    token = running(fleet, most_attempts=2)
    for _ in range(2):
        age(fleet, token, 80)
        sweep(fleet, station)

    assert fleet.rows("select status, attempt_count from firings") == [("queued", 1)]
    assert fleet.rows("select count(token) from slots") == [(0,)]


def test_a_recorded_exit_is_left_to_its_worker_and_settled_after_its_grace(fleet: Fleet, station: Station) -> None:
    """REA-4, first half; never worker_lost."""
    token = running(fleet)
    attempts.record_exit(fleet.database.connection(), token, 0, None)
    age(fleet, token, 299)
    sweep(fleet, station, times=3)
    assert status(fleet, token) == ("running", None)

    age(fleet, token, 2)

    assert sweep(fleet, station) == {"completed_total": 1}
    assert status(fleet, token) == ("completed", None)


def test_a_schedule_goes_on_while_what_was_reaped_waits_for_its_next_try(fleet: Fleet, station: Station) -> None:
    workspace, connection = fleet.workspace(), fleet.database.connection()
    schedule = fleet.schedule(workspace, "s", ["true"], overlap="queue_all", due_in_s=9999)
    first = fleet.claimed(workspace, schedule_id=schedule, max_attempts=3, retry_backoff_s=300)
    behind = replace(by_hand(workspace), schedule_id=schedule, source="adhoc")
    firings.add_by_hand(connection, behind, firings.next_line_no(connection))
    attempts.record_exit(connection, first.token, 1, "timeout")
    age(fleet, first.token, 301)

    assert sweep(fleet, station) == {"requeued_total": 1}

    states = fleet.admission.ask(lambda gate: gate.states([first.firing_id, behind.id]))
    assert [it.state for it in states] == ["", "waiting"]


def test_whoever_loses_the_race_to_settle_does_nothing_at_all(fleet: Fleet, station: Station) -> None:
    """REA-5: no second settle, no alert, no activity."""
    token = running(fleet)
    age(fleet, token, 80)
    sweep(fleet, station)
    age(fleet, token, 16)
    [suspect] = liveness.suspects(fleet.database.connection(), timedelta(0), 10)
    settle(fleet.database, token, Outcome(None, exit_code=0), SETTINGS)
    before = fleet.rows("select count(*) from activity_logs")

    assert not reaper.judge(station, [suspect], SETTINGS)

    assert status(fleet, token) == ("completed", None)
    assert fleet.rows("select count(*) from activity_logs") == before


def test_a_run_lease_that_is_over_ends_a_firing_that_is_still_renewed(fleet: Fleet, station: Station) -> None:
    """REA-6: after the guard had its chance: abort grace and two sweeps."""
    token = running(fleet, most_attempts=3)
    age(fleet, token, 75)
    attempts.renew(fleet.database.connection(), [token], LEASE)
    sweep(fleet, station)

    assert status(fleet, token) == ("failed", "lease_expired")


def test_the_kill_switch_stops_every_verdict_and_says_so(
    fleet: Fleet, station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    """REA-6."""
    token = running(fleet)
    age(fleet, token, 10_000)
    station.settings = replace(SETTINGS, reaper_enabled=False)

    sweep(fleet, station, times=5)

    assert status(fleet, token) == ("running", None)
    assert "reaper.disabled" in caplog.text
    assert fleet.rows("select outcome from cadence where name = %s", REAP) == [("disabled",)]


def test_a_bad_row_stops_nobody_else(fleet: Fleet, station: Station) -> None:
    """REA-9."""
    bad, good = running(fleet, "bad"), running(fleet, "good")
    fleet.database.connection().execute(
        "update attempts set abort_reason = 'no such reason', abort_requested_at = now() where token = %s", [bad]
    )
    for token in (bad, good):
        age(fleet, token, 80)
    sweep(fleet, station)
    for token in (bad, good):
        age(fleet, token, 16)

    counts = sweep(fleet, station)

    assert status(fleet, bad) == ("running", None)
    assert status(fleet, good) == ("failed", "worker_lost")
    assert counts == {"failed_rows": 1, "worker_lost_total": 1}


def test_counts_of_what_was_reaped_add_up_over_sweeps(fleet: Fleet, station: Station) -> None:
    """REA-11."""
    connection = fleet.database.connection()
    for expected in (1, 2):
        token = running(fleet)
        age(fleet, token, 80)
        for later in (0, 16):
            age(fleet, token, later)
            connection.execute("update cadence set ran_at = ran_at - interval '1 hour'")
            reaper.sweep(station)

        [last] = cadence.passes(connection)
        assert last.counts["worker_lost_total"] == expected
        assert last.outcome == "ok"


def test_what_somebody_asked_to_end_is_never_requeued(fleet: Fleet, station: Station) -> None:
    """The verdict's order: an abort request comes before a lost heartbeat, for worker and reaper alike."""
    token = running(fleet, most_attempts=3)
    [(firing,)] = fleet.rows("select id from firings")
    attempts.request_abort(fleet.database.connection(), firing, "cancelled")

    settled = settle(fleet.database, token, Outcome("worker_lost"), SETTINGS)

    assert (settled.answer, settled.status) == ("ok", "cancelled")
    assert status(fleet, token) == ("cancelled", "cancelled")


def test_a_settle_that_is_repeated_says_already_and_an_other_one_is_fenced(fleet: Fleet) -> None:
    """The answer to a COMMIT may be lost; a zombie's report is kept for people and changes nothing."""
    token = running(fleet)
    done = Outcome(None, exit_code=0, result="fine")
    assert settle(fleet.database, token, done, SETTINGS).answer == "ok"

    assert settle(fleet.database, token, done, SETTINGS).answer == "already"
    assert settle(fleet.database, token, Outcome("exit_nonzero", exit_code=3), SETTINGS).answer == "fenced"

    assert status(fleet, token) == ("completed", None)
    [(late,)] = fleet.rows("select late_result from attempts")
    assert late["reason"] == "exit_nonzero"
    assert fleet.rows("select count(*) from schedule_firing_metrics") == [(1,)]


def test_a_worker_that_was_asleep_renews_before_it_judges_anyone(fleet: Fleet, station: Station) -> None:
    """REA-13."""
    token = running(fleet)
    worker = {k: v for k, v in station.worker.facts().items() if k != "keeper"}
    processes.sign(fleet.database.connection(), {**worker, "kind": "worker", "capacity": 1})
    for _ in range(2):
        age(fleet, token, 80)
        fleet.database.connection().execute("update processes set seen_at = now() - interval '31 seconds'")
        sweep(fleet, station, times=3)
    assert status(fleet, token) == ("running", None)
    assert fleet.rows("select dead_ticks from attempts") == [(0,)]

    processes.sign(fleet.database.connection(), {**worker, "kind": "worker", "capacity": 1})
    sweep(fleet, station)
    age(fleet, token, 16)
    sweep(fleet, station)

    assert status(fleet, token) == ("failed", "worker_lost")


def test_a_firing_cancelled_in_line_has_its_metrics_row_too(fleet: Fleet) -> None:
    """OBS-1: every ended firing, also one that never ran."""
    fleet.admission.set_cap("fleet", 0, "test")
    firing = by_hand(fleet.workspace())
    fleet.admission.run_now(firing, activity.Deed("run", "me", {}), queue=True)

    answer = fleet.admission.cancel(firing.id, "cancelled", activity.Deed("cancelled", "me", {}, firing=firing.id))

    assert answer == "cancelled"
    measured = "select failure_reason, slot_claimed_at, slot_wait_ms >= 0 from schedule_firing_metrics"
    assert fleet.rows(measured) == [("cancelled", None, True)]


def test_what_the_reaper_ended_is_in_the_activity_and_what_its_worker_ended_is_not(
    fleet: Fleet, station: Station
) -> None:
    lost, ended = running(fleet, "lost"), running(fleet, "ended")
    age(fleet, lost, 80)
    sweep(fleet, station)
    age(fleet, lost, 16)
    sweep(fleet, station)
    settle(fleet.database, ended, Outcome(None, exit_code=0), SETTINGS)

    told = fleet.rows("select firing_id from activity_logs where type = 'reaped'")

    assert told == fleet.rows("select id from firings where token = %s", lost)
