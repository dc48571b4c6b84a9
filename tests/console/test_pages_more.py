"""The other pages: a firing's story, the coming day, workspaces, what an operator turns, who did what."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from shared.store import firing_events
from tests.console.test_pages import text_of
from tests.console.test_pages_scene import Scene, scene_on


@pytest.fixture
def scene(database_url: str, redis_url: str) -> Iterator[Scene]:
    with scene_on(database_url, redis_url) as made:
        yield made


def test_a_firings_page_tells_its_attempts_what_it_said_and_why(scene: Scene):
    claimed = scene.run(scene.workspace(), "crawl", max_turns=9, prompt="look around")
    told = [("turn", {"type": "turn", "text": "looking"}), ("tool", {"name": "read", "path": "a.py"})]
    said = [(seq, kind, json.dumps(data)) for seq, (kind, data) in enumerate(told, 1)]
    firing_events.add(scene.sql, claimed.firing_id, claimed.token, said)
    running = scene.get(f"/firings/{claimed.firing_id}").text
    scene.settle(claimed, "oom", "no memory left")

    ended = scene.get(f"/firings/{claimed.firing_id}").text

    assert f'action="/firings/{claimed.firing_id}/cancel"' in running
    assert "turn looking" in text_of(running, "said")
    assert "tool read path a.py" in text_of(running, "said")
    assert "failed: out of memory no memory left" in text_of(ended, "state")
    assert "1 failed: out of memory celery@test" in text_of(ended, "attempts")
    assert "failed" in text_of(ended, "why")
    assert "look around" in text_of(ended, "prompt")
    assert f'action="/firings/{claimed.firing_id}/rerun"' in ended


def test_a_long_error_stands_once_at_its_attempt_and_in_short_at_the_top(scene: Scene):
    lab = scene.workspace()
    told = "Exit code 1: " + "the disk is full\n" * 40 + "the end of it,\nand the very last"
    long, short = scene.run(lab, "long"), scene.run(lab, "short")
    scene.settle(long, "exit_nonzero", told)
    scene.settle(short, "exit_nonzero", "Exit code 2: no")

    page = scene.get(f"/firings/{long.firing_id}").text
    brief = scene.get(f"/firings/{short.firing_id}").text

    assert page.count("the end") == 1
    assert "the end" in page[page.index('<pre class="block"') :]
    assert "Exit code 1: and the very last" in text_of(page, "state")
    assert 'href="#error"' in page
    assert "What ended attempt 1" in text_of(page, "attempts")
    assert brief.count("Exit code 2: no") == 1
    assert "failed: exit code not 0" in text_of(brief, "why")
    assert 'href="#error"' not in brief


def test_a_rerun_leads_to_the_new_firing_and_asks_when_there_is_no_room(scene: Scene):
    lab = scene.workspace()
    claimed = scene.run(lab, "crawl")
    scene.settle(claimed)

    answer = scene.press(f"/firings/{claimed.firing_id}/rerun")
    scene.queue(lab, "b")
    full = scene.press(f"/firings/{claimed.firing_id}/rerun")

    assert urlsplit(answer.headers["location"]).path != f"/firings/{claimed.firing_id}"
    assert "was given a slot and starts." in scene.get(answer.headers["location"]).text
    assert full.status_code == 429
    assert f'action="/firings/{claimed.firing_id}/rerun"' in full.text


def test_firings_are_listed_by_outcome_page_by_page(scene: Scene):
    lab = scene.workspace()
    for nth in range(52):
        scene.settle(scene.run(lab, f"good{nth:02}"))
    scene.settle(scene.run(lab, "bad"), "oom")

    first = scene.get("/firings?status=completed").text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = scene.get(older[1].replace("&amp;", "&")).text

    assert "bad" not in text_of(first, "firings")
    assert "good51" in text_of(first, "firings")
    assert re.findall(r"good0\d", text_of(second, "firings")) == ["good01", "good00"]
    assert "bad" in text_of(scene.get("/firings?reason=oom").text, "firings")


def test_the_forecast_draws_the_coming_day(scene: Scene):
    lab = scene.workspace()
    scene.schedule(lab, "hourly", cron="0 * * * *", avg_duration_ms=1000)
    scene.schedule(lab, "nightly", cron="30 3 * * *", avg_duration_ms=1000)
    scene.sql.execute(
        "update schedules set next_run_at = date_trunc('hour', now()) + interval '1 h', revision = revision + 1"
        " where name = 'hourly'"
    )

    page = scene.get("/forecast").text

    assert re.search(r'aria-label="hourly: 2[345] starts', page)
    assert re.search(r'aria-label="nightly: [12] starts?', page)
    assert "fleet" in text_of(page, "busy")
    assert "Nothing starts in this time." in text_of(scene.get("/forecast?hours=1").text) or "hourly" in page


def test_a_workspace_is_added_edited_paused_and_removed(scene: Scene):
    made = scene.press("/workspaces", name="lab", cap="3")
    scene.schedule(UUID(made.headers["location"].split("/")[2].split("?")[0]), "digest")
    page = urlsplit(made.headers["location"]).path
    cap = scene.sql.execute("select cap from limits where key like 'workspace:%%'").fetchone()

    wrong = scene.press(page, name="lab", status="online", cap="many", health_url="nonsense")
    scene.press(page, name="laboratory", status="online", restart_command="systemctl restart 'my lab'", to=page)
    scene.press(f"{page}/status", status="paused", to=page)
    paused = scene.get(page).text
    scene.press(f"{page}/remove", to="/workspaces")

    assert cap == (3,)
    assert wrong.status_code == 422
    assert 'value="nonsense"' in wrong.text
    assert 'id="error-health_url"' in wrong.text
    assert "laboratory paused" in text_of(paused)
    row = scene.sql.execute("select name, status, restart_command from workspaces").fetchone()
    assert row == ("laboratory", "removed", ["systemctl", "restart", "my lab"])


def test_a_workspace_without_a_hook_cannot_be_restarted_and_says_what_it_needs(scene: Scene):
    lab = scene.workspace()
    assert f"/workspaces/{lab}/restart" not in scene.get(f"/workspaces/{lab}").text
    answer = scene.press(f"/workspaces/{lab}/restart")
    assert answer.status_code == 409
    assert "restart_command" in answer.text


def test_a_setting_is_written_with_its_source_and_a_bad_one_refused_beside_it(scene: Scene):
    answer = scene.press("/settings", key="reap_every_s", value="2.5")
    wrong = scene.press("/settings", key="dead_ticks", value="2.5")
    scene.press("/settings", key="reaper_enabled", value="false")

    page = scene.get("/settings").text
    assert answer.status_code == 303
    assert wrong.status_code == 422
    assert 'value="2.5" autocomplete="off" aria-invalid="true"' in wrong.text
    assert re.search(r"reap_every_s time between two sweeps of the reaper Save table 10 ", text_of(page, "settings"))
    stored = dict(scene.sql.execute("select key, value from settings").fetchall())
    assert (stored["reap_every_s"], stored["reaper_enabled"]) == ("2.5", "false")
    assert "SLOTBEAT_ALLOWED_COMMANDS" in page
    assert 'aria-label="allowed_commands"' not in page


def test_caps_and_budgets_are_set_and_removed(scene: Scene):
    scene.press("/limits", key="fleet", cap="5")
    scene.press("/limits", lane="opus", cap="1")
    scene.press("/budgets", key="fleet", turns="100", usd="2.50")
    page = scene.get("/limits").text
    wrong = scene.press("/limits", key="fleet", cap="-3")
    scene.press("/limits/remove", key="lane:opus")
    scene.press("/budgets/remove", key="fleet")

    assert "fleet 0 of 5" in text_of(page, "caps")
    assert "lane opus 0 of 1" in text_of(page, "caps")
    assert "0 of 100 turns" in text_of(page, "budgets")
    assert "0.00 of 2.50 USD" in text_of(page, "budgets")
    assert wrong.status_code == 422
    assert scene.sql.execute("select key, cap from limits").fetchall() == [("fleet", 5)]
    assert scene.sql.execute("select count(*) from budgets").fetchone() == (0,)


def test_a_used_up_budget_offers_to_queue_or_to_force(scene: Scene):
    lab = scene.workspace()
    schedule = scene.schedule(lab, "digest")
    scene.press("/budgets", key="fleet", turns="1")
    scene.sql.execute("insert into spend (token, workspace_id, is_reserved, turns) values (1, %s, false, 5)", [lab])

    answer = scene.press(f"/schedules/{schedule}/run")

    assert answer.status_code == 409
    assert "Not started: budget used up" in answer.text
    assert 'value="force"' in answer.text
    assert 'value="queue"' in answer.text


def test_the_line_names_the_budget_that_leaves_a_firing_nothing(scene: Scene):
    lab = scene.workspace()
    scene.press("/budgets", key=f"workspace:{lab}", turns="4", usd="1")
    scene.sql.execute("insert into spend (token, workspace_id, is_reserved, turns) values (1, %s, false, 3)", [lab])
    scene.sql.execute("insert into spend (token, workspace_id, is_reserved, turns) values (2, %s, true, 1)", [lab])
    for title in ("spent", "backs off"):
        firing = scene.queue(scene.workspace("other") if title == "backs off" else lab, title)
        scene.sql.execute("update firings set not_before = now() + interval '1 min' where id = %s", [firing])

    forced = scene.queue(lab, "forced", forced=True)
    scene.sql.execute("update firings set not_before = now() + interval '5 min' where id = %s", [forced])

    line = text_of(scene.get("/").text, "line")

    assert "not before in 5 min" in line
    assert "the budget of workspace lab leaves nothing (3 of 4 turns, 1 turns held for what runs)" in line
    assert "not before in 1 min" in line


def test_the_fleet_is_paused_and_resumed_from_the_first_page(scene: Scene):
    scene.press("/fleet/pause", note="moving house")
    paused = text_of(scene.get("/").text)
    scene.press("/fleet/resume")

    assert "The fleet is paused by dashboard" in paused
    assert "(moving house)" in paused
    assert "fleet is paused" not in scene.get("/").text


def test_an_outage_is_said_loudly_and_let_go_by_hand(scene: Scene):
    scene.sql.execute(
        """
        insert into failure_classes (key, reason, place, tripped_at, schedules, next_probe_at)
        values ('rate_limited@lane:opus', 'rate_limited', 'lane:opus', now(), 3, now() + interval '1 min')
        """
    )
    assert "Outage that schedules share: rate limited at lane opus" in text_of(scene.get("/").text)
    assert "rate limited lane opus" in text_of(scene.get("/outages").text, "tripped")

    scene.press("/outages/release", key="rate_limited@lane:opus", to="/outages")

    page = scene.get("/outages").text
    assert "There is none." in text_of(page, "tripped")
    assert "rate limited" in text_of(page, "over")


def test_streams_are_said_as_what_they_do(scene: Scene):
    scene.app.state.pressure.hold("chat", None, 60_000)
    assert "1 stream: what is due is put off" in text_of(scene.get("/").text, "upkeep")


def test_the_verdict_on_a_higher_cap_stands_with_what_was_measured(scene: Scene):
    lab = scene.workspace()
    assert "A higher cap? not known yet" in text_of(scene.get("/").text, "upkeep")
    scene.sql.execute(
        """
        insert into schedule_firing_metrics (firing_id, workspace_id, fired_at, slot_claimed_at, completed_at,
                                             slot_wait_ms, event_loop_lag_ms)
        select gen_random_uuid(), %s, now(), now(), now(), 90000, 5 from generate_series(1, 200)
        """,
        [lab],
    )
    upkeep = text_of(scene.get("/").text, "upkeep")
    assert "A higher cap? possible, and needed slot wait p95 1 min 30 s, bar 1 min" in upkeep
    assert "keeper lag p99 5 ms, bar 50 ms" in upkeep
    scene.sql.execute("insert into activity_logs (type, actor) values ('reaped', 'reaper')")
    scene.sql.execute("insert into cadence (name, ran_at, outcome) values ('slotbeat.reap', now(), 'ok')")
    assert "last reaped now" in text_of(scene.get("/").text, "upkeep")


def test_the_activity_log_says_who_did_what_and_can_leave_out_what_processes_wrote(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    scene.press(f"/schedules/{schedule}/pause", note="too loud")
    scene.sql.execute(
        "insert into activity_logs (type, actor, request_body) values ('cron_run', 'worker', %s)",
        ['{"turns": 1, "attempt": 1, "reason": "exit_nonzero", "source": "manual", "nominal_at": "2026-01-01"}'],
    )

    scene.sql.execute(
        "insert into activity_logs (type, actor, request_body) values ('auto_paused', 'slotbeat', %s)",
        ['{"words": "3 in a row: failure_streak", "reason": "failure_streak"}'],
    )
    every, people = scene.get("/activity").text, scene.get("/activity?by=people").text

    assert "schedule paused ok dashboard digest note too loud" in text_of(people, "log")
    assert "paused by its streak ok slotbeat 3 in a row: too many failures in a row " in text_of(every, "log") + " "
    assert "a firing ended ok worker 1 turn, exit code not 0, run now" in text_of(every, "log")
    # That somebody is paused is no good news, though it was done.
    assert re.findall(r'<use href="#mark-(\w+)"', every) == ["paused", "completed", "paused"]
    assert "a firing ended" not in text_of(people, "log")
