"""Schedules through the API: written, read, edited with revisions, paused, resumed, removed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from shared import clock
from tests.console.conftest import Api, form


def test_a_schedule_is_written_and_read_back_with_the_revision_as_its_etag(api: Api) -> None:
    workspace = api.workspace()

    made = api.ask("POST", "/api/schedules", json=form(workspace, cron=" 0   3 * * * ", timezone="europe/paris"))

    assert made.status_code == 201
    saved = made.json()["schedule"]
    assert (saved["cron"], saved["timezone"], saved["revision"]) == ("0 3 * * *", "Europe/Paris", 1)
    assert made.headers["Location"] == f"/api/schedules/{saved['id']}"
    read = api.ask("GET", made.headers["Location"])
    assert read.json() == saved
    assert read.headers["ETag"] == made.headers["ETag"]
    assert api.rows("select type, actor from activity_logs where schedule_id = %s", saved["id"]) == [
        ("schedule_created", "api")
    ]


def test_a_new_schedule_is_due_at_its_first_occurrence_plus_its_jitter(api: Api) -> None:
    workspace = api.workspace()

    plain = api.schedule(workspace, "plain", cron="* * * * *")
    late = api.schedule(workspace, "late", cron="* * * * *", jitter_s=3600)

    now = api.rows("select now()")[0][0]
    assert timedelta() < moment(plain["next_run_at"]) - now <= timedelta(minutes=1)
    assert moment(late["next_run_at"]).second != 0 or moment(late["next_run_at"]) - now > timedelta(minutes=1)
    assert moment(late["next_run_at"]) > now


def test_what_is_hardly_ever_due_is_accepted_with_a_warning(api: Api) -> None:
    workspace = api.workspace()

    told = api.ask("POST", "/api/schedules", json=form(workspace, cron="0 0 31 2 1")).json()

    assert [it["type"] for it in told["warnings"]] == ["cron_either_day"]
    assert "either" in told["warnings"][0]["message"]


def test_an_edit_raises_the_revision_and_writes_its_history(api: Api) -> None:
    schedule = api.schedule(api.workspace(), prompt="old")

    told = api.ask("PATCH", f"/api/schedules/{schedule['id']}", json={"prompt": "new"})

    assert told.status_code == 200
    assert told.json()["schedule"]["revision"] == 2
    assert told.headers["ETag"].startswith('"2.')
    [edit] = api.get(f"/api/schedules/{schedule['id']}/revisions")["items"]
    assert edit["changes"] == {"prompt": {"from": "old", "to": "new"}}
    types = api.rows("select type from activity_logs where schedule_id = %s order by at", schedule["id"])
    assert types == [("schedule_created",), ("schedule_edited",)]


def test_an_edit_that_changes_nothing_writes_nothing(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)

    told = api.ask("PUT", f"/api/schedules/{schedule['id']}", json=form(workspace))

    assert told.json()["schedule"] == schedule
    assert api.rows("select count(*) from schedule_revisions") == [(0,)]


def test_only_an_edit_of_when_moves_the_next_occurrence(api: Api) -> None:
    schedule = api.schedule(api.workspace(), cron="0 3 1 1 *")
    path = f"/api/schedules/{schedule['id']}"
    # Due, but no beat has seen it yet.
    api.rows("update schedules set next_run_at = now() - interval '1 s', revision = revision + 1 returning id")
    due = api.get(path)["next_run_at"]

    prompt = api.ask("PATCH", path, json={"prompt": "other", "priority": 1}).json()["schedule"]
    cron = api.ask("PATCH", path, json={"cron": "* * * * *"}).json()["schedule"]

    assert prompt["next_run_at"] == due
    assert moment(cron["next_run_at"]) > moment(due)


def test_an_edit_of_max_turns_sets_its_moment_and_no_other_does(api: Api) -> None:
    schedule = api.schedule(api.workspace(), max_turns=5)
    path = f"/api/schedules/{schedule['id']}"
    assert schedule["max_turns_set_at"] is None

    other = api.ask("PATCH", path, json={"prompt": "other"}).json()["schedule"]
    turns = api.ask("PATCH", path, json={"max_turns": 9}).json()["schedule"]

    assert other["max_turns_set_at"] is None
    assert turns["max_turns_set_at"] == turns["updated_at"]


def test_an_edit_of_a_revision_that_is_past_is_refused_and_changes_nothing(api: Api) -> None:
    schedule = api.schedule(api.workspace())
    path = f"/api/schedules/{schedule['id']}"
    first = api.ask("PATCH", path, json={"prompt": "first"}, headers={"If-Match": '"1"'})

    second = api.ask("PATCH", path, json={"prompt": "second"}, headers={"If-Match": '"1"'})

    assert first.status_code == 200
    assert second.status_code == 412
    assert (second.json()["error"], second.json()["revision"]) == ("stale_revision", 2)
    assert api.get(path)["prompt"] == "first"
    assert api.ask("DELETE", path, headers={"If-Match": '"1"'}).status_code == 412


def test_of_many_edits_of_one_revision_one_wins(api: Api) -> None:
    path = f"/api/schedules/{api.schedule(api.workspace())['id']}"

    def edit(number: int) -> int:
        return api.ask("PATCH", path, json={"prompt": str(number)}, headers={"If-Match": '"1"'}).status_code

    with ThreadPoolExecutor(6) as pool:
        told = sorted(pool.map(edit, range(6)))

    assert told == [200] + [412] * 5


def test_a_name_is_given_once_in_a_workspace_and_again_after_its_schedule_is_gone(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)

    twice = api.ask("POST", "/api/schedules", json=form(workspace))
    elsewhere = api.ask("POST", "/api/schedules", json=form(api.workspace("there")))
    fired = api.ask("POST", f"/api/schedules/{schedule['id']}/execute").json()["firing_id"]
    removed = api.ask("DELETE", f"/api/schedules/{schedule['id']}")
    again = api.ask("POST", "/api/schedules", json=form(workspace))

    assert twice.status_code == 409
    assert (twice.json()["error"], twice.json()["existing_id"]) == ("name_taken", schedule["id"])
    assert (elsewhere.status_code, removed.status_code, again.status_code) == (201, 204, 201)
    assert api.get(f"/api/schedules/{schedule['id']}")["status"] == "archived"
    assert api.get(f"/api/firings/{fired}")["status"] == "cancelled"


def test_a_schedule_without_history_is_deleted_and_one_with_history_kept(api: Api) -> None:
    workspace = api.workspace()
    fresh, used = api.schedule(workspace, "fresh"), api.schedule(workspace, "used")
    api.ask("PATCH", f"/api/schedules/{fresh['id']}", json={"prompt": "edited"})
    api.ask("POST", f"/api/schedules/{used['id']}/execute")

    for it in (fresh, used):
        assert api.ask("DELETE", f"/api/schedules/{it['id']}").status_code == 204

    assert api.ask("GET", f"/api/schedules/{fresh['id']}").status_code == 404
    assert api.get(f"/api/schedules/{used['id']}")["status"] == "archived"
    assert api.get("/api/schedules")["items"] == []
    for path in ("execute", "pause", "resume"):
        refused = api.ask("POST", f"/api/schedules/{used['id']}/{path}")
        assert (refused.status_code, refused.json()["error"]) == (409, "schedule_archived")


def test_a_pause_says_who_and_why_the_same_again_changes_nothing_and_another_takes_its_place(api: Api) -> None:
    path = f"/api/schedules/{api.schedule(api.workspace())['id']}"
    until = (clock.now() + timedelta(hours=1)).isoformat()

    first = api.ask(
        "POST", f"{path}/pause", json={"note": "too loud", "until": until}, headers={"Slotbeat-Actor": "ada"}
    )
    second = api.ask("POST", f"{path}/pause", json={"until": until}, headers={"Slotbeat-Actor": "bob"})
    third = api.ask("POST", f"{path}/pause", json={"note": "other"}, headers={"Slotbeat-Actor": "bob"}).json()

    told = first.json()
    assert (told["status"], told["paused_by"], told["pause_note"], told["paused_reason"]) == (
        "paused",
        "ada",
        "too loud",
        "manual",
    )
    assert moment(told["paused_until"]) == moment(until)
    assert second.status_code == 200
    assert second.json() == told
    assert (third["paused_by"], third["pause_note"], third["paused_until"]) == ("bob", "other", None)
    paused_by = "select actor from activity_logs where type = 'schedule_paused' order by at"
    assert api.rows(paused_by) == [("ada",), ("bob",)]


def test_resume_continues_from_now_and_forgets_the_streaks(api: Api) -> None:
    path = f"/api/schedules/{api.schedule(api.workspace(), cron='* * * * *')['id']}"
    api.ask("POST", f"{path}/pause")
    api.rows(
        "update schedules set next_run_at = now() - interval '3 days', failure_streak = 3,"
        " revision = revision + 1 returning id"
    )

    told = api.ask("POST", f"{path}/resume").json()
    again = api.ask("POST", f"{path}/resume")

    now = api.rows("select now()")[0][0]
    assert (told["status"], told["failure_streak"], told["paused_by"]) == ("active", 0, None)
    assert timedelta() < moment(told["next_run_at"]) - now <= timedelta(minutes=1)
    assert again.json() == told
    assert api.rows("select count(*) from activity_logs where type = 'schedule_resumed'") == [(1,)]


def test_a_pause_takes_what_waits_out_of_the_line_and_resume_puts_it_back(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace, cron="* * * * *")
    api.fill(workspace)
    queue_occurrence(api, schedule["id"])
    assert waiting(api) == 1

    api.ask("POST", f"/api/schedules/{schedule['id']}/pause")
    paused = waiting(api)
    api.ask("POST", f"/api/schedules/{schedule['id']}/resume")

    assert paused == 0
    assert waiting(api) == 1


def test_a_pause_ends_what_waits_when_it_is_asked_to(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)
    api.fill(workspace)
    firing = queue_occurrence(api, schedule["id"])

    api.ask("POST", f"/api/schedules/{schedule['id']}/pause", json={"cancel_queued": True})

    assert api.get(f"/api/firings/{firing}")["status"] == "cancelled"
    assert api.rows("select firing_id::text from activity_logs where type = 'firing_cancelled'") == [(firing,)]
    assert waiting(api) == 0


def test_what_runs_once_ends_after_its_moment_and_cannot_be_resumed_behind_it(api: Api) -> None:
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    schedule = api.schedule(api.workspace(), kind="once", cron=None, run_at=soon)
    path = f"/api/schedules/{schedule['id']}"
    assert moment(schedule["next_run_at"]) == moment(soon)
    api.ask("POST", f"{path}/pause")
    api.rows("update schedules set run_at = now() - interval '1 s' returning id")

    refused = api.ask("POST", f"{path}/resume")

    assert (refused.status_code, refused.json()["error"]) == (409, "cannot_resume")
    assert api.get(path)["status"] == "paused"


def test_a_listing_is_read_to_its_end_by_its_cursor(api: Api) -> None:
    workspace, other = api.workspace(), api.workspace("other")
    made = [api.schedule(workspace, f"s{number}")["id"] for number in range(5)]
    api.schedule(other, "s9")

    found: list[str] = []
    cursor = None
    for _ in range(3):
        part = api.get("/api/schedules", params={"workspace": workspace, "limit": 2, **only(cursor=cursor)})
        found += [it["id"] for it in part["items"]]
        cursor = part["next_cursor"]

    assert found == made
    assert cursor is None
    assert [it["name"] for it in api.get("/api/schedules", params={"name": "s9"})["items"]] == ["s9"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def only(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def queue_occurrence(api: Api, schedule: str) -> str:
    """A firing as beat makes one of an occurrence, put in line."""
    [[made]] = api.rows(
        """
        insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
        select gen_random_uuid(), id, workspace_id, 'scheduled', now(), name, target, 60
          from schedules where id = %s returning id
        """,
        schedule,
    )
    api.app.state.admission.offer_again([made])
    return str(made)


def waiting(api: Api) -> int:
    return api.get("/api/slots")["gate"]["waiting"]
