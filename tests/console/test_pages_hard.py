"""Pages where something is not as usual: a zone nobody knows, addresses at the end of time, a sign-in that was over."""

import re
from typing import Any

import pytest

from tests.console.conftest import Api, form
from tests.console.test_api_tokens import bearer, token
from tests.console.test_pages_scene import OURS
from tests.console.test_pages_schedule import fields_of
from tests.console.test_sign_in import HTML, signed_in

NOWHERE = "update schedules set timezone = 'Mars/Phobos' where id = %s returning 1"


@pytest.fixture
def lost(api: Api) -> str:
    """A schedule in a zone that another machine knew; a neighbour has the same times."""
    lab = api.workspace("lab")
    made = api.schedule(lab, "lost", start_at="2097-01-01T00:00:00Z")["id"]
    api.schedule(lab, "beside")
    api.rows("update schedules set avg_turns_per_firing = 2000 returning 1")
    api.rows(NOWHERE, made)
    return made


def test_a_zone_that_nobody_knows_here_hides_no_page(api: Api, lost: str):
    beside = next(it["id"] for it in api.get("/api/schedules")["items"] if it["id"] != lost)
    place = api.get(f"/api/schedules/{lost}")["workspace_id"]

    for path in (
        *("/", "/schedules", "/forecast", f"/workspaces/{place}", f"/schedules/{beside}", f"/schedules/{lost}"),
        *(f"/schedules/{lost}?at=2026-01-01T10:00", f"/schedules/{lost}/edit", f"/schedules/new?like={lost}"),
        *("/api/forecast", f"/api/schedules/{lost}/why?at=2026-01-01T10:00:00Z"),
    ):
        assert api.ask("GET", path).status_code == 200, path
    backfill = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "dry_run": True}
    assert api.ask("POST", f"/api/schedules/{lost}/backfill", json=backfill).status_code == 422


def test_a_zone_that_nobody_knows_here_is_said_beside_its_field_and_put_right(api: Api, lost: str):
    path = f"/schedules/{lost}/edit"
    shown = fields_of(api.ask("GET", path).text)

    refused = api.ask("POST", path, data={**shown, "cron": "5 3 * * *"}, headers=OURS)
    saved = api.ask("POST", path, data={**shown, "timezone": "UTC"}, headers=OURS)

    assert refused.status_code == 422
    assert 'id="error-timezone"' in refused.text
    assert saved.status_code == 303
    assert api.get(f"/api/schedules/{lost}")["timezone"] == "UTC"


@pytest.mark.parametrize("at", ["0001-01-01T00:00", "9999-12-31T23:59:59", "9999-12-31T23:59-23:59", "now"])
def test_a_moment_at_the_end_of_time_is_none(api: Api, at: str):
    made = api.schedule(api.workspace(), "nightly", timezone="Pacific/Honolulu")["id"]

    assert api.ask("GET", f"/schedules/{made}", params={"at": at}).status_code == 200
    assert api.ask("GET", "/", params={"until": at}).status_code == (404 if at == "now" else 200)


def test_a_file_of_another_release_is_not_kept_as_that_release(api: Api):
    [known] = set(re.findall(r"/static/slotbeat\.css\?v=[0-9a-f]+", api.ask("GET", "/").text))

    assert "immutable" in api.ask("GET", known).headers["cache-control"]
    for other in ("/static/slotbeat.css", "/static/slotbeat.css?v=abc"):
        assert api.ask("GET", other).headers["cache-control"] == "no-cache"


def test_a_part_of_a_list_that_is_not_there_any_more_leads_to_its_beginning(api: Api):
    api.schedule(api.workspace())

    answer = api.ask("GET", "/schedules?q=night&most=50&from=50")

    assert answer.headers["location"] == "/schedules?q=night&most=50"


def test_the_newest_part_of_a_list_has_the_same_filters(api: Api):
    before = "2026-01-01T00:00:00+00:00~00000000-0000-0000-0000-000000000000"

    page = api.ask("GET", "/firings", params={"status": "failed", "before": before}).text
    [newest] = re.findall(r'<a class="button" href="([^"]*)">Newest', page) or [""]

    assert newest in ("", "/firings?status=failed")
    made = api.workspace()
    api.fill(made)
    page = api.ask("GET", "/firings", params={"workspace": made, "before": before.replace("2026", "2099")}).text
    assert f'href="/firings?workspace={made}">Newest' in page


def test_a_workspace_counts_all_its_schedules(api: Api):
    lab = api.workspace("lab & co")
    for nth in range(3):
        api.schedule(lab, f"s {nth}")
    api.rows(
        """
        insert into schedules (id, workspace_id, name, cron, target, next_run_at)
        select gen_random_uuid(), %s, 'many ' || n, '0 3 * * *', '{}', now() + interval '1 day'
          from generate_series(1, 100) n returning 1
        """,
        lab,
    )

    page = api.ask("GET", f"/workspaces/{lab}").text

    assert 'Schedules <span class="count">103</span>' in page
    assert '<a href="/schedules?q=lab%20%26%20co">All</a>' in page


def test_what_is_removed_twice_is_removed(api: Api):
    made = api.schedule(api.workspace())["id"]
    api.ask("PUT", "/api/limits/lane:gpu", json={"cap": 1})
    api.ask("PUT", "/api/budgets/fleet", json={"turns": 1})

    for path, key in ((f"/schedules/{made}/delete", ""), ("/limits/remove", "lane:gpu"), ("/budgets/remove", "fleet")):
        answers = [api.ask("POST", path, data={"key": key}, headers=OURS) for _ in range(2)]
        assert [it.status_code for it in answers] == [303, 303], path


def test_a_pause_of_days_ago_says_its_day(api: Api):
    api.ask("POST", "/api/pause", json={})
    api.rows("update fleet_pause set paused_at = '2026-01-05 14:30Z' returning 1")

    assert "since 05 Jan 14:30 UTC" in api.ask("GET", "/").text


def test_a_form_of_too_many_fields_is_refused(api: Api):
    many = {f"f{nth}": "x" for nth in range(300)}

    assert api.ask("POST", "/fleet/pause", data=many, headers=OURS).status_code == 413
    assert api.get("/api/limits")["items"][0]["cap"] == 2


# Signing in -------------------------------------------------------------------------------------------------


def test_a_way_back_that_no_header_can_have_leads_to_the_first_page(wide: Api):
    text = token(wide, "alice", "read")

    for where in ("/\U0001f680", "/é", "/\uffff"):
        answer = signed_in(wide, text, where)
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), where


def test_who_signs_in_again_has_one_sign_in(wide: Api):
    text = token(wide, "alice", "read")
    first = signed_in(wide, text).headers["set-cookie"].partition(";")[0]

    signed_in(wide, text)

    assert wide.rows("select count(*) from sign_ins") == [(1,)]
    wide.client.cookies.clear()
    again = wide.ask("GET", "/", headers={**HTML, "Cookie": first})
    assert again.headers["location"].startswith("/sign-in")


def test_what_was_typed_before_somebody_signed_in_again_is_shown_again_and_then_saved(wide: Api):
    text = token(wide, "alice", "admin")
    lab = wide.ask("POST", "/api/workspaces", json={"name": "lab"}, headers=bearer(text)).json()["id"]
    made = wide.ask("POST", "/api/schedules", json=form(lab), headers=bearer(text)).json()["schedule"]["id"]
    signed_in(wide, text)
    new = fields_of(wide.ask("GET", f"/schedules/new?workspace={lab}", headers=HTML).text)
    edit = fields_of(wide.ask("GET", f"/schedules/{made}/edit", headers=HTML).text)
    typed = {"prompt": "many words", "name": "digest", "cron": "0 4 * * *", "command.argv": "true"}

    wide.client.cookies.clear()
    away = wide.ask("POST", "/schedules/new", data={**new, **typed}, headers=HTML)
    assert away.status_code == 401
    assert "What you typed is not lost" in away.text
    signed_in(wide, text)

    for path, shown in (("/schedules/new", new), (f"/schedules/{made}/edit", edit)):
        refused = wide.ask("POST", path, data={**shown, **typed, "name": f"by {path[-3:]}"}, headers=HTML)
        assert refused.status_code == 409
        assert "You signed in again since" in refused.text
        assert wide.rows("select count(*) from schedules where prompt <> ''")[0][0] == (path != "/schedules/new")
        saved = wide.ask("POST", path, data=fields_of(refused.text), headers=HTML)
        assert saved.status_code == 303
    assert wide.rows("select name, prompt from schedules order by name") == [
        ("by dit", "many words"),
        ("by new", "many words"),
    ]


@pytest.mark.parametrize("path", ["/schedules/new", "/schedules/preview"])
def test_no_other_site_has_a_form_shown_again(wide: Api, path: str):
    text = token(wide, "alice", "admin")
    signed_in(wide, text)
    given: dict[str, Any] = {"data": {"name": "x"}, "headers": {**HTML, "Sec-Fetch-Site": "cross-site"}}

    assert wide.ask("POST", path, **given).status_code == 403
    signed_in(wide, token(wide, "bob", "read"))
    assert wide.ask("POST", path, data={"name": "x"}, headers=HTML).status_code == 403
