"""The dashboard of a token of one workspace: its own schedules and firings, and nothing of any other (SEC-1)."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from console.deeds import sign_ins
from tests.console.conftest import Api, form
from tests.console.test_api_firings import run
from tests.console.test_api_tokens import bearer, token
from tests.console.test_pages import text_of
from tests.console.test_sign_in import HTML, signed_in

SECRET = "hush"
OF_ALL = ("/forecast", "/limits", "/outages", "/activity", "/settings")


@dataclass
class Guest:
    """A browser that signed in with a token of `mine`; `theirs` has things whose every text is secret."""

    wide: Api
    mine: str
    ours: str
    waits: str
    theirs: str
    other: str
    their_firing: str

    def get(self, path: str) -> Any:
        return self.wide.ask("GET", path, headers=HTML)

    def press(self, path: str, **fields: str) -> Any:
        csrf = sign_ins.csrf_of(self.wide.client.cookies["slotbeat_sign_in"])
        return self.wide.ask("POST", path, data={**fields, "csrf": csrf}, headers=HTML)


@pytest.fixture
def guest(wide: Api) -> Guest:
    key = bearer(token(wide, "admin", "admin"))

    def made(path: str, body: dict[str, Any]) -> Any:
        return wide.ask("POST", path, json=body, headers=key).json()

    mine, theirs = (made("/api/workspaces", {"name": it})["id"] for it in ("mine", f"{SECRET} place"))
    wide.ask("PUT", "/api/limits/fleet", json={"cap": 1}, headers=key)
    other = made("/api/schedules", form(theirs, name=f"{SECRET} crawl", prompt=SECRET, lane=SECRET))["schedule"]["id"]
    ours = made("/api/schedules", form(mine, name="ours"))["schedule"]["id"]
    firing = made(f"/api/schedules/{other}/execute", {})["firing_id"]
    run(wide, firing)
    wide.rows("update schedules set avg_turns_per_firing = 4321, last_error = %s returning 1", SECRET)
    wide.rows("update schedules set avg_turns_per_firing = null, last_error = null where id = %s returning 1", ours)
    waits = made(f"/api/schedules/{ours}/execute?queue=true", {})["firing_id"]
    # Long enough that its wait has a reason.
    wide.rows("update attempts set claimed_at = now() - interval '5 minutes' returning 1")
    wide.rows("update firings set queued_at = now() - interval '4 minutes' where id = %s returning 1", waits)
    signed_in(wide, token(wide, "guest", "force", workspace=mine))
    return Guest(wide, mine, ours, waits, theirs, other, firing)


def test_it_sees_its_own_and_no_name_error_or_number_of_another(guest: Guest) -> None:
    own = ["/schedules", "/schedules?most=1000&state=active", "/firings", "/firings?status=queued", "/schedules/new"]
    own += [f"/workspaces/{guest.mine}", f"/schedules/{guest.ours}", f"/schedules/{guest.ours}/edit"]
    own += [f"/schedules/new?like={guest.ours}", f"/firings/{guest.waits}", f"/firings?schedule={guest.other}"]
    own += [f"/schedules?said=paused&of={it}" for it in (guest.other, guest.their_firing, guest.theirs)]

    for path in own:
        page = guest.get(path)
        assert page.status_code == 200, path
        assert SECRET not in page.text.replace(guest.theirs, ""), path
        assert "4,321" not in page.text, path
        assert not set(re.findall('<a href="(/[a-z]*)"', page.text)) & set(OF_ALL), path

    assert "ours" in text_of(guest.get("/schedules").text, "schedules")
    assert "Schedules 1" in text_of(guest.get("/schedules").text)
    assert text_of(guest.get(f"/firings?schedule={guest.other}").text, "firings").endswith("No firing is so.")
    assert "behind a firing of another workspace" in text_of(guest.get(f"/firings/{guest.waits}").text, "why")
    assert guest.get("/").headers["Location"] == f"/workspaces/{guest.mine}"
    assert guest.get("/workspaces").headers["Location"] == f"/workspaces/{guest.mine}"


def test_what_is_of_another_is_not_there_and_what_tells_of_all_is_refused(guest: Guest) -> None:
    hidden = [f"/workspaces/{guest.theirs}", f"/schedules/{guest.other}", f"/schedules/{guest.other}/edit"]
    hidden += [f"/schedules/new?like={guest.other}", f"/firings/{guest.their_firing}"]
    hidden += [f"/firings?workspace={guest.theirs}"]
    buttons = [f"/schedules/{guest.other}/{it}" for it in ("run", "pause", "resume", "skip-next", "move", "delete")]
    buttons += [f"/schedules/{guest.other}/edit", f"/firings/{guest.their_firing}/cancel"]
    buttons += [f"/firings/{guest.their_firing}/rerun", f"/workspaces/{guest.theirs}/status"]

    assert {path: guest.get(path).status_code for path in hidden} == dict.fromkeys(hidden, 404)
    assert {path: guest.press(path, cron="* * * * *").status_code for path in buttons} == dict.fromkeys(buttons, 404)
    assert {path: guest.get(path).status_code for path in OF_ALL} == dict.fromkeys(OF_ALL, 403)
    fleet = ("/fleet/pause", "/fleet/resume", "/outages/release", "/limits", "/budgets", "/settings", "/workspaces")
    assert {path: guest.press(path, key="fleet", cap="9").status_code for path in fleet} == dict.fromkeys(fleet, 403)
    assert guest.wide.rows("select status, revision from schedules order by name") == [("active", 1), ("active", 1)]
    assert guest.wide.rows("select abort_reason from attempts") == [(None,)]


def test_no_form_of_its_own_reaches_into_another(guest: Guest) -> None:
    typed = {"name": "new", "kind": "scheduled", "cron": "0 3 * * *", "timezone": "UTC", "target.kind": "command"}
    typed |= {"command.argv": "true", "command.adapter": "generic"}

    into = guest.press("/schedules/new", workspace_id=guest.theirs, **typed)
    moved = guest.press(f"/schedules/{guest.ours}/edit", workspace_id=guest.theirs, **typed)
    seen = guest.press("/schedules/preview", workspace_id=guest.theirs, schedule=guest.other, **typed)
    made = guest.press("/schedules/new", workspace_id=guest.mine, **typed)
    ran = guest.press(f"/schedules/{guest.ours}/run", to="/schedules")

    assert (into.status_code, moved.status_code, made.status_code) == (404, 404, 303)
    assert seen.status_code == 200
    assert SECRET not in seen.text
    assert "Crowded" not in seen.text
    assert "4,321" not in seen.text
    assert (ran.status_code, "nobody can say when a slot" in ran.text, SECRET in ran.text) == (429, True, False)
    places = guest.wide.rows("select workspace_id::text from schedules where name in ('new', 'ours')")
    assert places == [(guest.mine,), (guest.mine,)]
