"""The spine with real processes: due, claimed, run, settled, handed over, seen."""

import json
import signal
import sys
from itertools import pairwise

from shared.rules.text import clean
from tests.process.conftest import Fleet
from tests.waiting import until

TURNS = ["sh", "-c", 'while :; do echo \'{"type": "turn"}\'; sleep 0.02; done']


def test_a_due_schedule_fires_once_and_is_written_back(fleet: Fleet) -> None:
    """SCH-1, SCH-3, OBS-1."""
    said = ["sh", "-c", 'cat; echo \'{"type": "turn"}\'']
    schedule = fleet.schedule(fleet.workspace(), "hello", said, prompt="hi\n")
    fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("hello", "completed", None)]

    written = "select run_count, last_status, last_turn_count, next_run_at > now() from schedules where id = %s"
    assert fleet.rows(written, schedule) == [(1, "ok", 1, True)]
    logged = "select status from activity_logs where type = 'cron_run' and request_body ->> 'schedule_id' = %s"
    assert fleet.rows(logged, str(schedule)) == [("ok",)]
    [metrics] = fleet.rows(
        "select slot_claimed_at >= fired_at, completed_at >= slot_claimed_at, slot_wait_ms >= 0, duration_ms >= 0,"
        " turn_count, event_loop_lag_ms >= 0, peak_rss_mb > 0, concurrent_firings, failure_reason"
        " from schedule_firing_metrics where schedule_id = %s",
        schedule,
    )
    assert metrics == (True, True, True, True, 1, True, True, 1, None)
    assert fleet.rows("select count(*) from slots where token is not null") == [(0,)]


def test_five_due_at_once_under_a_cap_of_two_run_two_at_a_time_in_line_order(fleet: Fleet) -> None:
    """SLT-8."""
    workspace = fleet.workspace()
    witness = ["sh", "-c", 'echo "{\\"type\\": \\"log\\", \\"at\\": $(date +%s%N)}"; sleep 0.15']
    for number in range(5):
        fleet.schedule(workspace, f"s{number}", witness, priority=number)
    fleet.worker("w1", concurrency=4)
    fleet.worker("w2", concurrency=4)
    fleet.beat()

    assert [status for _, status, _ in fleet.ended(5)] == ["completed"] * 5

    spans = fleet.rows("select claimed_at, ended_at, title from attempts a join firings f on f.id = a.firing_id")
    moments = [(at, 1) for at, _, _ in spans] + [(at, -1) for _, at, _ in spans]
    level, highest = 0, 0
    for _, step in sorted(moments):
        level += step
        highest = max(highest, level)
    assert highest == 2
    starts = [title for _, _, title in sorted(spans)]
    # Two may start in either order, but nobody starts before one who stood two places ahead of it.
    assert all(int(later[1]) - int(earlier[1]) >= -1 for earlier, later in pairwise(starts)), starts


def test_two_beats_make_exactly_one_firing_of_each_of_a_thousand_due_schedules(fleet: Fleet) -> None:
    """SCH-1: any number of beats share the work."""
    workspace = fleet.workspace()
    for number in range(1000):
        fleet.schedule(workspace, f"s{number:04}", ["true"])
    fleet.beat()
    fleet.beat()

    until(lambda: fleet.rows("select count(*) from firings") == [(1000,)])

    assert fleet.rows("select count(distinct schedule_id) from firings") == [(1000,)]
    assert fleet.rows("select count(*) from schedules where next_run_at <= now()") == [(0,)]
    until(lambda: fleet.admission.ask(lambda gate: gate.usage()).waiting == 1000)
    assert (
        fleet.admission.ask(lambda gate: gate.usage()).reserved == 0
    )  # no worker lives, so nobody is promised a slot that nobody could take


def test_a_payload_that_exceeds_its_turn_budget_is_ended_at_once(fleet: Fleet) -> None:
    """RUN-5, STR-2."""
    schedule = fleet.schedule(fleet.workspace(), "talker", TURNS, max_turns=3)
    fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("talker", "failed", "turn_limit_exceeded")]

    streaks = "select failure_streak, turn_budget_breach_streak from schedules where id = %s"
    assert fleet.rows(streaks, schedule) == [(0, 1)]
    assert fleet.rows("select turns > 3, turns < 20 from firings") == [(True, True)]
    assert fleet.rows("select count(*) > 3 from firing_events where kind = 'turn'") == [(True,)]


def test_a_failing_command_still_advances_its_schedule_and_keeps_its_error(fleet: Fleet) -> None:
    """SCH-2, SCH-3."""
    schedule = fleet.schedule(fleet.workspace(), "fails", ["sh", "-c", "echo no such luck >&2; exit 3"])
    fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("fails", "failed", "exit_nonzero")]

    [(status, error, reason, streak, count, ahead)] = fleet.rows(
        "select last_status, last_error, last_failure_reason, failure_streak, run_count, next_run_at > now()"
        " from schedules where id = %s",
        schedule,
    )
    assert (status, reason, streak, count, ahead) == ("error", "exit_nonzero", 1, 1, True)
    assert "no such luck" in error


def test_three_failures_in_a_row_pause_a_schedule(fleet: Fleet) -> None:
    """STR-1."""
    schedule = fleet.schedule(fleet.workspace(), "fails", ["false"])
    fleet.worker()
    fleet.beat()

    for count in (1, 2, 3):
        fleet.ended(count)
        again = "update schedules set next_run_at = now(), revision = revision + 1 where id = %s and status = 'active'"
        until(lambda count=count: fleet.rows("select failure_streak from schedules") == [(count,)])
        fleet.database.connection().execute(again, [schedule])

    paused = "select status, paused_reason, failure_streak from schedules where id = %s"
    assert fleet.rows(paused, schedule) == [("paused", "failure_streak", 3)]
    assert fleet.rows("select count(*) from activity_logs where type = 'auto_paused'") == [(1,)]
    assert fleet.rows("select count(*) from alerts where kind = 'auto_paused'") == [(1,)]


def test_a_payload_that_hangs_is_ended_when_its_run_lease_is_over(fleet: Fleet) -> None:
    """RUN lease: the guard, not the worker, ends it; it is not tried again."""
    fleet.schedule(fleet.workspace(), "hangs", ["sleep", "1000"], max_run_seconds=1, max_attempts=3)
    fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("hangs", "failed", "lease_expired")]
    assert fleet.rows("select count(*) from attempts") == [(1,)]


def test_a_prompt_of_invalid_bytes_is_made_valid_and_its_firing_completes(fleet: Fleet) -> None:
    """SCH-4: 0x80, 0xff and cut sequences, in the prompt and in what the payload says."""
    prompt = clean(b"good \x80 \xff \xe2\x82 morning \x00.")
    turn = '{"type": "turn", "text": "\\ud800 \\u0000"}'
    code = f"import sys; o = sys.stdout.buffer; o.write(sys.stdin.buffer.read() + b'\\x80\\xff\\n' + {turn.encode()!r})"
    echo = [sys.executable, "-c", code]
    fleet.schedule(fleet.workspace(), "broken", echo, prompt=prompt)
    fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("broken", "completed", None)]

    [(result,)] = fleet.rows("select result from firings")
    assert "good \ufffd \ufffd" in result
    assert "\ufffd\ufffd\n" in result
    said = fleet.rows("select data from firing_events where kind = 'turn'")
    assert "\\ud800" not in json.dumps(said[0][0])


def test_a_workspace_that_schedules_itself_is_skipped_and_its_schedule_advances(fleet: Fleet) -> None:
    """SCH-5."""
    schedule = fleet.schedule(fleet.workspace(native_scheduler=True), "native", ["true"])
    fleet.beat()

    until(lambda: fleet.rows("select reason, count from skips where schedule_id = %s", schedule) == [("native", 1)])

    facts = "select run_count, last_run_at, next_run_at > now() from schedules where id = %s"
    assert fleet.rows(facts, schedule) == [(0, None, True)]
    assert fleet.rows("select count(*) from firings") == [(0,)]


def test_a_schedule_whose_next_occurrence_cannot_be_computed_stops_nobody_else(fleet: Fleet) -> None:
    """SCH-2."""
    workspace = fleet.workspace()
    broken = fleet.schedule(workspace, "broken", ["true"], cron="0 0 30 2 *")
    fleet.schedule(workspace, "sound", ["true"])
    fleet.worker()
    fleet.beat()

    assert fleet.ended() == [("sound", "completed", None)]

    [(status, reason, note)] = fleet.rows(
        "select status, paused_reason, pause_note from schedules where id = %s", broken
    )
    assert (status, reason) == ("paused", "quarantined")
    assert note
    assert fleet.rows("select count(*) from alerts where schedule_id = %s", broken) == [(1,)]


def test_a_new_schedule_wakes_a_sleeping_beat(fleet: Fleet) -> None:
    """SCH-15: beat sleeps, and hears of it."""
    beat = fleet.beat()
    until(lambda: beat.says("beat: Starting"))
    workspace = fleet.workspace()

    fleet.schedule(workspace, "later", ["true"], due_in_s=0.3)
    fleet.schedule(workspace, "now", ["true"])

    until(lambda: fleet.rows("select count(*) from firings") == [(2,)])
    late = fleet.rows("select title from firings where queued_at - nominal_at > interval '1 second'")
    assert late == []


def test_celery_sees_readable_names_and_no_prompts(fleet: Fleet) -> None:
    """OBS-5: what Flower shows comes from these messages."""
    fleet.schedule(fleet.workspace(), "nightly digest", ["sleep", "30"], prompt="the secret plan")
    worker = fleet.worker("seen")
    fleet.beat()
    until(lambda: fleet.rows("select count(*) from firings where status = 'running'") == [(1,)])

    told = fleet.begin("python", "-m", "celery", "-A", "workers", "inspect", "active", "--json", env=fleet.environment)
    assert told.wait(20) == 0

    assert "slotbeat.execute" in told.text
    assert "nightly digest" in worker.text
    assert "secret plan" not in told.text + worker.text


def test_a_worker_of_one_process_refuses_to_serve_both_queues_and_says_what_to_do(fleet: Fleet) -> None:
    worker = fleet.worker(concurrency=1)

    assert worker.wait(20) != 0
    assert "--concurrency 2" in worker.text
    assert "Traceback" not in worker.text


def test_a_long_firing_does_not_keep_the_reaper_from_its_sweeps(fleet: Fleet) -> None:
    """A plain worker keeps one process for maintenance."""
    workspace = fleet.workspace()
    for name in ("a", "b", "c"):
        fleet.schedule(workspace, name, ["sleep", "100"])
    fleet.admission.set_cap("fleet", 10, "test")
    fleet.worker(concurrency=2)
    fleet.beat()
    until(lambda: fleet.rows("select count(*) from firings where status = 'running'") == [(1,)])

    [(before,)] = until(lambda: fleet.rows("select ran_at from cadence where name = 'slotbeat.reap'"))
    until(lambda: fleet.rows("select ran_at > %s from cadence where name = 'slotbeat.reap'", before) == [(True,)])

    assert fleet.rows("select count(*) from firings where status = 'running'") == [(1,)]


def test_a_worker_and_a_beat_end_cleanly_when_told_to(fleet: Fleet) -> None:
    fleet.schedule(fleet.workspace(), "quick", ["true"])
    worker, beat = fleet.worker(), fleet.beat()
    fleet.ended()

    worker.send(signal.SIGTERM)
    beat.send(signal.SIGTERM)

    assert worker.wait(20) == 0
    assert beat.wait(20) == 0
    assert "Traceback" not in worker.text + beat.text
    assert fleet.rows("select count(*) from processes") == [(0,)]
