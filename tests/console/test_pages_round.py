"""A schedule's form changes what a person changed, and nothing else, whatever browsers make of the rest."""

import re
from typing import Any

import pytest

from tests.console.conftest import Api
from tests.console.test_pages_scene import OURS
from tests.console.test_pages_schedule import fields_of

SCRIPT = {"kind": "command", "argv": ["sh", "-c", "set -e\necho 'a'\necho b\n"]}
PUT = {"kind": "http", "url": "https://example.com/", "method": "PUT", "body": {}, "prompt_field": " p "}
CELERY = {"kind": "celery", "task": "a\nb", "broker_url": {"$env": "B"}, "prompt_argument": ""}
ONCE = {"kind": "once", "cron": None, "timezone": "Europe/Berlin"}
# What a form shows less of than there is.
KEPT: list[dict[str, Any]] = [
    {"prompt": "\nfirst\nsecond\n\n"},
    {"prompt": "of Windows\r\nand of old\rMacs"},
    {"target": SCRIPT},
    {"target": {**SCRIPT, "cwd": "/srv/a b "}},
    {"target": PUT},
    {"target": CELERY},
    {"success_check": {"argv": ["sh", "-c", "grep ok\ntrue"]}},
    {"success_check": {"pattern": " ok\n$"}},
    {"start_at": "2097-01-01T00:00:00.250000Z", "end_at": "2098-01-01T00:00:00.000001Z"},
    # The second 02:30 of the night in which clocks go back.
    {**ONCE, "run_at": "2097-10-27T01:30:00Z"},
]


def made(api: Api, **over: Any) -> str:
    given = {"workspace_id": api.workspace(), "name": "nightly", "cron": "0 3 * * *", "target": SCRIPT, **over}
    known = api.ask("POST", "/api/schedules", json={it: value for it, value in given.items() if value is not None})
    assert known.status_code == 201, known.text
    return known.json()["schedule"]["id"]


def form_of(api: Api, schedule: str) -> dict[str, str]:
    return fields_of(api.ask("GET", f"/schedules/{schedule}/edit").text)


def save(api: Api, schedule: str, form: dict[str, str]) -> Any:
    return api.ask("POST", f"/schedules/{schedule}/edit", data=form, headers=OURS)


def seen(api: Api, schedule: str) -> dict[str, Any]:
    known = api.get(f"/api/schedules/{schedule}")
    return {it: value for it, value in known.items() if it not in ("revision", "updated_at", "max_turns_set_at")}


@pytest.mark.parametrize("over", KEPT)
def test_a_form_that_nobody_touched_changes_nothing(api: Api, over: dict[str, Any]):
    schedule = made(api, **over)

    saved = save(api, schedule, form_of(api, schedule))

    assert "said=unchanged" in saved.headers["location"]
    assert api.get(f"/api/schedules/{schedule}/revisions")["items"] == []


@pytest.mark.parametrize("over", KEPT)
def test_an_edit_of_one_field_leaves_all_others_as_they_were(api: Api, over: dict[str, Any]):
    schedule = made(api, **over)
    before = seen(api, schedule)

    saved = save(api, schedule, {**form_of(api, schedule), "max_turns": "7"})

    assert "said=saved" in saved.headers["location"]
    assert seen(api, schedule) == {**before, "max_turns": 7}


def test_what_is_typed_has_the_ends_of_lines_that_were_typed(api: Api):
    schedule = made(api)
    form = {"prompt": "one\r\ntwo", "command.argv": "sh -c 'a\r\nb'", "check.pattern": " done\r\n"}

    save(api, schedule, {**form_of(api, schedule), **form})

    known = api.get(f"/api/schedules/{schedule}")
    assert known["prompt"] == "one\ntwo"
    assert known["target"]["argv"] == ["sh", "-c", "a\nb"]
    assert known["success_check"] == {"pattern": " done"}


def test_another_zone_moves_what_is_told_by_its_wall_clock(api: Api):
    schedule = made(api, start_at="2097-01-01T00:00:00.5Z")

    save(api, schedule, {**form_of(api, schedule), "timezone": "Europe/Berlin"})

    assert api.get(f"/api/schedules/{schedule}")["start_at"] == "2096-12-31T23:00:00Z"


def test_an_emptied_field_is_empty(api: Api):
    schedule = made(api, success_check={"pattern": "ok"}, lane="gpu", target={**SCRIPT, "cwd": "/srv"})

    save(api, schedule, {**form_of(api, schedule), "check.pattern": "", "lane": "", "command.cwd": ""})

    known = api.get(f"/api/schedules/{schedule}")
    assert (known["success_check"], known["lane"], known["target"].get("cwd")) == (None, None, None)


def test_runs_that_were_used_up_while_the_form_was_open_are_not_given_back(api: Api):
    schedule = made(api, remaining_runs=10)
    form = form_of(api, schedule)
    api.rows("update schedules set remaining_runs = 8 where id = %s returning 1", schedule)

    save(api, schedule, {**form, "prompt": "briefly"})
    assert api.get(f"/api/schedules/{schedule}")["remaining_runs"] == 8
    save(api, schedule, {**form_of(api, schedule), "remaining_runs": "10"})

    assert api.get(f"/api/schedules/{schedule}")["remaining_runs"] == 10


def test_a_refusal_of_something_else_gives_nobody_leave_to_write_over_an_edit(api: Api):
    schedule = made(api)
    form = form_of(api, schedule)
    api.ask("PATCH", f"/api/schedules/{schedule}", json={"lane": "theirs"})

    refused = save(api, schedule, {**form, "cron": "61 3 * * *"})
    assert refused.status_code == 422
    again = save(api, schedule, {**fields_of(refused.text), "cron": "1 3 * * *"})

    assert again.status_code == 412
    assert "api: Lane" in again.text
    assert api.get(f"/api/schedules/{schedule}")["lane"] == "theirs"


def test_a_form_that_is_sent_twice_is_saved_and_says_so(api: Api):
    schedule = made(api)
    form = {**form_of(api, schedule), "prompt": "briefly"}

    answers = [save(api, schedule, form) for _ in range(2)]

    assert ["said=saved" in it.headers.get("location", "") for it in answers] == [True, True]
    assert api.get(f"/api/schedules/{schedule}")["revision"] == 2


def test_a_copy_of_the_longest_name_has_another_name(api: Api):
    schedule = made(api, name="n" * 200)

    copied = fields_of(api.ask("GET", f"/schedules/new?like={schedule}").text)

    assert copied["name"] == "n" * 193 + " (copy)"


def test_a_form_of_a_new_schedule_that_is_sent_twice_makes_one_and_says_so_twice(api: Api):
    lab = api.workspace()
    form = fields_of(api.ask("GET", f"/schedules/new?workspace={lab}").text)
    form |= {"name": "digest", "cron": "0 3 * * *", "command.argv": "true"}

    answers = [api.ask("POST", "/schedules/new", data=form, headers=OURS) for _ in range(2)]
    other = api.ask("POST", "/schedules/new", data={**form, "name": "other"}, headers=OURS)

    assert [it.status_code for it in (*answers, other)] == [303, 303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert api.rows("select name from schedules order by name") == [("digest",), ("other",)]
    fresh = {**form, "once": ""}
    assert api.ask("POST", "/schedules/new", data=fresh, headers=OURS).status_code == 409


def test_a_second_click_on_run_now_is_the_same_wish_and_a_page_drawn_anew_another(api: Api):
    schedule = made(api, overlap="allow")
    page = f"/schedules/{schedule}"

    def once() -> str:
        [drawn] = re.findall(r'name="once" value="([^"]+)"', api.ask("GET", page).text)
        return drawn

    first = once()
    answers = [
        api.ask("POST", f"{page}/run", data={"to": page, "once": drawn}, headers=OURS)
        for drawn in (first, first, once())
    ]

    assert [it.status_code for it in answers] == [303, 303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert api.rows("select count(*) from firings") == [(2,)]
    firing = api.rows("update firings set status = 'cancelled', finished_at = now() returning id::text")[0][0]
    [drawn] = re.findall(r'name="once" value="([^"]+)"', api.ask("GET", f"/firings/{firing}").text)
    twice = {"once": drawn, "how": "queue"}
    again = [api.ask("POST", f"/firings/{firing}/rerun", data=twice, headers=OURS) for _ in range(2)]
    assert [it.status_code for it in again] == [303, 303]
    assert api.rows("select count(*) from firings where source = 'rerun'") == [(1,)]
