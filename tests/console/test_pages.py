"""The dashboard says what the rows say, and nothing that a name would have it say."""

import re
from collections.abc import Iterator

import pytest

from shared.store import cadence, processes
from shared.store.attempts import request_abort
from tests.console.test_pages_scene import Scene, scene_on


@pytest.fixture
def scene(database_url: str, redis_url: str) -> Iterator[Scene]:
    with scene_on(database_url, redis_url) as made:
        yield made


def text_of(html: str, part: str = "") -> str:
    """What a reader sees of a section, in one line."""
    if part:
        begins = re.search(rf'<section[^>]* id="{part}"|<section id="{part}"', html)
        assert begins is not None, f"no section {part}"
        html = html[begins.start() :]
        html = html[: html.index("</section>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def test_an_empty_fleet_says_so_in_words(scene: Scene):
    html = scene.get("/").text
    assert "0 of 2 slots in use, nobody waits" in text_of(html)
    for part, said in (
        ("running", "Nothing runs."),
        ("line", "Nobody waits."),
        ("timeline", "Nothing waited, ran or ended"),
        ("ended", "Nothing has ended yet."),
    ):
        assert said in text_of(html, part)
    assert "There is no schedule yet." in scene.get("/schedules").text


def test_each_limit_is_a_meter_of_used_and_cap(scene: Scene):
    lab = scene.workspace("lab")
    scene.admission.set_cap(f"workspace:{lab}", 3, "test")
    scene.admission.set_cap("lane:opus", 0, "test")
    scene.run(lab, "a")
    scene.run(lab, "b")
    scene.run(lab, "c", forced=True)
    scene.admission.set_cap("fleet", 1, "test")

    html = scene.get("/").text

    slots = text_of(html, "slots")
    assert "fleet 3 / 1" in slots
    assert "full; 1 forced beyond the cap; 1 surplus: the cap was lowered" in slots
    assert "workspace lab 3 / 3" in slots
    assert "lane opus 0 / 0" in slots
    assert "drain: cap 0, nothing starts" in slots
    assert html.count("<meter id=") >= 3
    assert "Drain: the cap of lane opus is 0" in text_of(html)


def test_the_line_says_who_waits_in_which_order_and_why(scene: Scene):
    lab, closed = scene.workspace("lab"), scene.workspace("closed", "hibernated")
    scene.admission.set_cap(f"workspace:{lab}", 1, "test")
    usual = scene.schedule(lab, "usual", avg_duration_ms=60_000)
    scene.run(lab, "first", schedule_id=usual, source="scheduled")
    scene.run(closed_as_online(scene), "second")
    scene.queue(lab, "third")
    scene.queue(lab, "urgent", priority=0)
    scene.queue(closed, "asleep")
    later = scene.queue(lab, "later")
    scene.sql.execute("update firings set not_before = now() + interval '2 h' where id = %s", [later])

    line = text_of(scene.get("/").text, "line")

    assert line.index("urgent") < line.index("third") < line.index("asleep")
    assert "fleet full (2 of 2), workspace lab full (1 of 1)" in line
    assert re.search(r"in about (1 min|\d+ s)", line)
    assert "workspace closed is hibernated" in line
    assert "not before in 2 h" in line


def closed_as_online(scene: Scene):
    return scene.workspace("other")


@pytest.mark.parametrize("source", ["scheduled", "manual"])
def test_what_waits_behind_a_pause_says_so(scene: Scene, source: str):
    lab = scene.workspace()
    paused = scene.schedule(lab, "paused one")
    scene.run(lab, "a")
    scene.run(lab, "b")
    scene.queue(lab, "paused one", schedule_id=paused, source=source)
    scene.sql.execute("update schedules set status = 'paused', paused_reason = 'manual' where id = %s", [paused])
    assert "its schedule is paused" in text_of(scene.get("/").text, "line")


def test_running_firings_show_attempt_turns_lease_and_what_becomes_of_them(scene: Scene):
    lab = scene.workspace()
    plain = scene.run(lab, "plain", max_attempts=3, max_turns=40)
    forced = scene.run(lab, "pushed", forced=True, source="manual")
    scene.sql.execute("update attempts set turns = 34 where token = %s", [plain.token])
    request_abort(scene.sql, forced.firing_id, "cancelled")

    html = scene.get("/").text

    running = text_of(html, "running")
    assert "plain #1 ad hoc" in running
    assert "attempt 1 of 3" in running
    assert "34 of 40" in running
    assert re.search(r"(10 min|9 min 5\d s) left", running)
    assert "celery@test, pid 7" in running
    assert "pushed #1 forced run now" in running
    assert "being stopped: by a person" in running
    assert f'action="/firings/{plain.firing_id}/cancel"' in html
    assert f'action="/firings/{forced.firing_id}/cancel"' not in html


def test_ended_firings_show_their_outcome_as_shape_and_word(scene: Scene):
    lab = scene.workspace()
    scene.settle(scene.run(lab, "good"))
    scene.settle(scene.run(lab, "bad"), "lease_expired", "no end in sight")
    scene.run(lab, "x")
    scene.run(lab, "y")
    scene.press(f"/firings/{scene.queue(lab, 'unwanted')}/cancel")

    html = scene.get("/").text

    ended = text_of(html, "ended")
    assert ended.index("unwanted") < ended.index("bad") < ended.index("good")
    assert "cancelled: by a person" in ended
    assert "failed: run lease expired" in ended
    for kind in ("completed", "failed", "cancelled"):
        assert f'<svg class="mark {kind}"' in html
    assert 'title="no end in sight"' in html


def test_the_timeline_has_a_row_per_schedule_and_a_shape_per_outcome(scene: Scene):
    lab = scene.workspace()
    scene.settle(scene.run(lab, "crawl"))
    scene.settle(scene.run(lab, "crawl"), "oom")
    scene.run(lab, "digest")
    scene.run(lab, "other")
    scene.queue(lab, "digest")

    html = scene.get("/").text

    assert 'aria-label="crawl: 1 completed, 1 failed"' in html
    assert 'aria-label="digest: 1 running, 1 waiting"' in html
    assert "crawl #1, attempt 1: failed (out of memory)" in html
    for fill in ("fill-waiting", "fill-failed"):
        assert f'fill="url(#{fill})"' in html
    assert "The last 2 h" in text_of(html, "timeline")


def test_the_timeline_zooms_by_links_and_looks_back(scene: Scene):
    lab = scene.workspace()
    scene.settle(scene.run(lab, "crawl"))
    # History is not rewritten; a test may, without the triggers that forbid it.
    scene.sql.execute("set session_replication_role = replica")
    began, ended = "now() - interval '3 h'", "now() - interval '170 min'"
    scene.sql.execute(f"update attempts set claimed_at = {began}, ended_at = {ended}")
    scene.sql.execute(f"update schedule_firing_metrics set fired_at = {began}, completed_at = {ended}")
    scene.sql.execute(f"update firings set queued_at = {began}, finished_at = {ended}")

    now, wide = scene.get("/").text, scene.get("/?hours=6").text
    ends = re.search(r'href="(/\?hours=2&amp;until=[^"#]+)#timeline">earlier', now)
    assert ends is not None
    before = scene.get(ends[1].replace("&amp;", "&")).text

    assert "crawl" not in text_of(now, "timeline")
    assert "The last 6 h" in text_of(wide, "timeline")
    assert "crawl" in text_of(wide, "timeline")
    assert "crawl" in text_of(before, "timeline")
    assert ">later</a>" in before
    assert scene.get("/?hours=1000").status_code == 404


def test_schedules_are_found_by_name_workspace_and_state_taken_literally(scene: Scene):
    lab, shop = scene.workspace("lab"), scene.workspace("shop")
    scene.schedule(lab, "100% coverage")
    digest = scene.schedule(lab, "digest")
    scene.schedule(shop, "stock_take", cron="*/5 * * * *")
    scene.sql.execute("update schedules set status = 'paused', paused_reason = 'manual' where id = %s", [digest])

    assert "digest" not in text_of(scene.get("/schedules?q=100%25").text, "schedules")
    assert "stock_take" in text_of(scene.get("/schedules?q=SHOP").text, "schedules")
    assert "every 5 minutes */5 * * * *" in text_of(scene.get("/schedules?q=stock_").text, "schedules")
    paused = text_of(scene.get("/schedules?state=paused").text, "schedules")
    assert "digest" in paused
    assert "stock_take" not in paused
    assert "No schedule is so." in scene.get("/schedules?q=nowhere").text
    assert scene.get("/schedules?q=%00%27%3B--").status_code == 200


def test_schedules_come_in_parts_with_what_became_of_their_last_firings(scene: Scene):
    lab = scene.workspace()
    first = scene.schedule(lab, "a")
    scene.settle(scene.run(lab, "a", schedule_id=first, source="manual"))
    scene.settle(scene.run(lab, "a", schedule_id=first, source="manual"), "oom")
    scene.schedule(lab, "b")
    scene.schedule(lab, "c")

    html = scene.get("/schedules?most=2").text
    following = re.search(r'rel="next" href="([^"]+)"', html)
    assert following is not None

    assert 'aria-label="last 2 firings: 1 failed, 1 completed, the last failed"' in html
    assert "1 to 2 of 3" in text_of(html, "schedules")
    rest = text_of(scene.get(following[1].replace("&amp;", "&")).text, "schedules")
    assert "3 to 3 of 3" in rest
    assert " c " in rest


def test_schedules_show_pauses_streaks_and_the_next_time(scene: Scene):
    lab = scene.workspace()
    paused = scene.schedule(lab, "stopped")
    scene.schedule(lab, "going")
    scene.sql.execute(
        """
        update schedules set status = 'paused', paused_reason = 'failure_streak', paused_by = 'slotbeat',
               failure_streak = 3, last_status = 'error', last_failure_reason = 'auth_failed', last_run_at = now()
         where id = %s
        """,
        [paused],
    )
    schedules = text_of(scene.get("/schedules").text, "schedules")
    assert "paused: too many failures in a row failed:" in schedules
    assert "failed: not authorised by the target now , 3 failures in a row" in schedules
    assert "in 1 min never ran" in schedules or "in 2 min never ran" in schedules


def test_the_kill_switch_and_silent_processes_are_said_loudly(scene: Scene):
    values = {"kind": "worker", "boot_id": "b", "pid": 1, "pid_start": 1, "capacity": 2, "facts": {"lag_ms": 3}}
    processes.sign(scene.sql, {**values, "id": "w1", "node": "one@host"})
    processes.sign(scene.sql, {**values, "id": "w2", "node": "two@host"})
    scene.sql.execute("update processes set seen_at = now() - interval '5 min' where id = 'w2'")
    cadence.take(scene.sql, "slotbeat.reap", 10)
    cadence.finish(scene.sql, "slotbeat.reap", "ok", {"requeued_total": 7})
    scene.sql.execute("insert into settings (key, value) values ('reaper_enabled', 'false')")

    html = scene.get("/").text

    assert "The reaper is switched off (reaper_enabled is false, from the settings)." in text_of(html)
    assert "No beat gives a sign: no schedule becomes due." in text_of(html)
    assert "No sign of worker w2 for 5 min." in text_of(html)
    upkeep = text_of(html, "upkeep")
    assert "Reaper switched off now , ok requeued 7" in upkeep
    assert "one@host pid 1, 2 processes, keeper lag 3 ms" in upkeep


def test_a_failed_or_late_pass_is_named(scene: Scene):
    cadence.take(scene.sql, "slotbeat.reconcile", 10)
    cadence.finish(scene.sql, "slotbeat.reconcile", "failed", {})
    scene.sql.execute(
        "insert into cadence (name, ran_at, outcome) values ('slotbeat.reap', now() - interval '1 h', 'ok')"
    )
    alarms = text_of(scene.get("/").text)
    assert "Reconciler: failed." in alarms
    assert "Reaper: late: expected every 10 s; last: ok." in alarms
