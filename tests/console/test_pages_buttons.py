"""The dashboard's buttons do what the API does, say what came of it, and obey no other site."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from redis import Redis

from shared.store.connection import Database, connect
from tests.console.test_pages_scene import Scene, scene_on


@pytest.fixture
def scene(database_url: str, redis_url: str) -> Iterator[Scene]:
    with scene_on(database_url, redis_url) as made:
        yield made


def said(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)["said"][0]


def counts(scene: Scene) -> tuple[int, int]:
    row = scene.sql.execute("select (select count(*) from firings), (select count(*) from activity_logs)").fetchone()
    assert row is not None
    return row[0], row[1]


def fill(scene: Scene) -> UUID:
    """A fleet that is full, and a schedule that would like to run."""
    lab = scene.workspace()
    usual = scene.schedule(lab, "usual", avg_duration_ms=40_000)
    scene.run(lab, "usual", schedule_id=usual, source="scheduled")
    scene.run(lab, "usual", schedule_id=usual, source="manual")
    return scene.schedule(lab, "digest")


def test_run_now_starts_a_firing_and_logs_who_did_it(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")

    answer = scene.press(f"/schedules/{schedule}/run", to="/schedules?q=dig")

    assert said(answer) == "started"
    row = scene.sql.execute("select source, title, forced, status, schedule_id from firings").fetchall()
    assert row == [("manual", "digest", False, "queued", schedule)]
    assert scene.sql.execute("select type, actor from activity_logs").fetchall() == [("manual_run", "dashboard")]
    page = scene.get(answer.headers["location"])
    assert "“digest” was given a slot and starts." in page.text
    assert 'value="dig"' in page.text


def test_run_now_at_the_cap_says_so_and_leaves_nothing_behind(scene: Scene):
    schedule = fill(scene)
    before = counts(scene)

    answer = scene.press(f"/schedules/{schedule}/run")

    assert answer.status_code == 429
    assert 30 <= int(answer.headers["retry-after"]) <= 40
    assert "fleet cap 2 reached; a slot is expected in about" in " ".join(answer.text.split())
    assert "Queue it" in answer.text
    assert "Force (will be logged)" in answer.text
    assert counts(scene) == before
    assert scene.admission.ask(lambda gate: gate.usage()).waiting == 0


def test_queue_it_puts_it_in_line(scene: Scene):
    schedule = fill(scene)
    assert said(scene.press(f"/schedules/{schedule}/run", how="queue")) == "queued"
    assert scene.admission.ask(lambda gate: gate.usage()).waiting == 1
    assert "digest" in scene.get("/").text


def test_force_goes_past_the_cap_and_is_logged(scene: Scene):
    schedule = fill(scene)
    assert said(scene.press(f"/schedules/{schedule}/run", how="force")) == "forced"
    row = scene.sql.execute(
        "select f.forced, l.actor from firings f join activity_logs l on l.firing_id = f.id"
        " where l.type = 'manual_force_bypass' and f.schedule_id = %s",
        [schedule],
    ).fetchall()
    assert row == [(True, "dashboard")]


def test_a_drained_fleet_offers_no_force(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    scene.admission.set_cap("fleet", 0, "test")
    answer = scene.press(f"/schedules/{schedule}/run", how="force")
    assert answer.status_code == 409
    assert "fleet cap 0 stops all admission" in answer.text
    assert 'value="force"' not in answer.text
    assert counts(scene)[0] == 0


def test_cancel_ends_what_waits_and_stops_what_runs(scene: Scene):
    lab = scene.workspace()
    running = scene.run(lab, "one")
    scene.run(lab, "two")
    waiting = scene.queue(lab, "three")

    assert said(scene.press(f"/firings/{waiting}/cancel")) == "cancelled"
    assert said(scene.press(f"/firings/{running.firing_id}/cancel")) == "aborting"
    scene.settle(running)
    assert said(scene.press(f"/firings/{running.firing_id}/cancel")) == "ended"

    reasons = scene.sql.execute("select abort_reason from attempts where token = %s", [running.token]).fetchone()
    assert reasons == ("cancelled",)


def test_pause_keeps_the_note_and_resume_goes_on_from_now(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest", cron="*/10 * * * *")

    assert said(scene.press(f"/schedules/{schedule}/pause", note="<b>maintenance</b>")) == "paused"
    assert said(scene.press(f"/schedules/{schedule}/pause")) == "paused"
    assert "by dashboard: &lt;b&gt;maintenance&lt;/b&gt;" in scene.get("/schedules").text

    assert said(scene.press(f"/schedules/{schedule}/resume")) == "resumed"
    assert said(scene.press(f"/schedules/{schedule}/resume")) == "resumed"
    row = scene.sql.execute(
        "select status, next_run_at > now(), next_run_at <= now() + interval '10 min', paused_by from schedules"
    ).fetchone()
    assert row == ("active", True, True, None)
    told = scene.sql.execute("select type from activity_logs order by at").fetchall()
    assert told == [("schedule_paused",), ("schedule_resumed",)]


def test_a_schedule_without_an_occurrence_left_stays_paused(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    scene.press(f"/schedules/{schedule}/pause")
    scene.sql.execute("update schedules set end_at = now() - interval '1 h'")
    answer = scene.press(f"/schedules/{schedule}/resume")
    assert answer.status_code == 409
    assert "It cannot be resumed before it is edited" in answer.text
    assert scene.sql.execute("select status from schedules").fetchone() == ("paused",)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"},
        {},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused(scene: Scene, headers: dict[str, str]):
    schedule = scene.schedule(scene.workspace(), "digest")
    for deed in ("run", "pause", "resume"):
        answer = scene.press(f"/schedules/{schedule}/{deed}", headers)
        assert answer.status_code == 403
        assert "<h1>Refused</h1>" in answer.text
    assert scene.press(f"/firings/{uuid4()}/cancel", headers).status_code == 403
    assert counts(scene) == (0, 0)


def test_an_old_browsers_form_is_known_by_its_origin(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    assert said(scene.press(f"/schedules/{schedule}/pause", {"origin": "http://127.0.0.1:8000"})) == "paused"


def test_what_does_not_exist_is_a_page_that_says_so(scene: Scene):
    for path in (f"/schedules/{uuid4()}/run", f"/firings/{uuid4()}/cancel", "/schedules/nonsense/run"):
        answer = scene.press(path)
        assert answer.status_code == 404
        assert "<h1>Not found</h1>" in answer.text


def test_a_form_is_bounded(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    assert scene.press(f"/schedules/{schedule}/pause", note="x" * 2_000_000).status_code == 413


def test_an_address_cannot_make_the_page_say_something(scene: Scene):
    page = scene.get("/?said=Send+money&of=evil").text
    assert "Send money" not in page
    assert scene.get(f"/?said=started&of={uuid4()}").status_code == 200


def test_the_page_works_while_redis_is_away(scene: Scene):
    lab = scene.workspace()
    schedule = scene.schedule(lab, "digest")
    scene.run(lab, "one")
    before = counts(scene)
    known = scene.admission.gate.redis
    scene.admission.gate.redis = Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)

    page, pressed = scene.get("/"), scene.press(f"/schedules/{schedule}/run")
    paused = scene.press(f"/schedules/{schedule}/pause")
    resumed = scene.press(f"/schedules/{schedule}/resume")
    scene.admission.gate.redis.close()
    scene.admission.gate.redis = known

    assert page.status_code == 200
    assert "1 of 2 slots in use" in page.text
    assert pressed.status_code == 503
    assert "Gate unreachable" in pressed.text
    assert counts(scene)[0] == before[0]
    assert (said(paused), said(resumed)) == ("paused", "resumed")


def test_without_postgres_the_page_says_what_is_missing(scene: Scene):
    scene.app.state.database = Database("postgresql://nobody@127.0.0.1:1/none")
    for path in ("/", "/schedules"):
        answer = scene.get(path)
        assert answer.status_code == 503
        assert "Postgres cannot be reached" in answer.text


def test_a_disk_without_room_is_not_called_a_postgres_that_cannot_be_reached(scene: Scene):
    schedule = scene.schedule(scene.workspace("cellar"), "digest")
    with connect(scene.database.url) as sql:
        sql.execute("create function no_room() returns trigger language plpgsql as 'begin raise disk_full; end'")
        sql.execute("create trigger no_room before update on schedules execute function no_room()")
        pressed = scene.press(f"/schedules/{schedule}/pause")

    assert pressed.status_code == 503
    assert "cannot be reached" not in pressed.text
    assert "no room left on its disk" in pressed.text


def test_nothing_starts_in_a_workspace_that_is_not_fit(scene: Scene):
    schedule = scene.schedule(scene.workspace("cellar", "hibernated"), "digest")

    answer = scene.press(f"/schedules/{schedule}/run")

    assert answer.status_code == 409
    assert "workspace hibernated" in answer.text
    assert counts(scene) == (0, 0)
    assert said(scene.press(f"/schedules/{schedule}/run", how="queue")) == "queued"
    assert "workspace cellar is hibernated" in scene.get("/").text
