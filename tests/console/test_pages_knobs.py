"""What an operator turns by forms: a refusal loses nothing, nobody writes over what somebody else wrote unseen."""

import html
import re
from typing import Any

import pytest

from tests.console.conftest import Api
from tests.console.test_pages_scene import OURS

HOOK = ["sh", "-c", "stop agent\nstart agent"]


def press(api: Api, path: str, **form: str) -> Any:
    return api.ask("POST", path, data=form, headers=OURS)


def form_at(page: str, action: str) -> dict[str, str]:
    """The fields of the form that leads there, as a browser would send them untouched."""
    form = page[page.index(f'action="{action}"') :]
    form = form[: form.index("</form>")]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = (re.search(rf' {it}="([^"]*)"', tag) for it in ("name", "value"))
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found[name[1]] = value[1] if value else "on"
    for name, inside in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', inside)
        found[name] = chosen[1] or chosen[2] if chosen else ""
    for name, inside in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = inside.removeprefix("\n")
    return {name: html.unescape(value).replace("\n", "\r\n") for name, value in found.items()}


def place(api: Api, workspace: str) -> dict[str, Any]:
    known = api.get(f"/api/workspaces/{workspace}")
    return {it: known[it] for it in ("name", "status", "cap", "health_url", "restart_command", "native_scheduler")}


def test_a_workspace_that_is_saved_as_it_was_shown_is_as_it_was(api: Api):
    lab = api.workspace("lab", restart_command=HOOK, cap=3, native_scheduler=True)
    before = place(api, lab)

    saved = press(api, f"/workspaces/{lab}", **form_at(api.ask("GET", f"/workspaces/{lab}").text, f"/workspaces/{lab}"))

    assert "said=unchanged" in saved.headers["location"]
    assert place(api, lab) == before
    assert api.rows("select count(*) from activity_logs where type = 'workspace_edited'") == [(0,)]


def test_an_edit_of_a_workspace_writes_what_was_changed_and_leaves_what_others_changed_since(api: Api):
    lab = api.workspace("lab", restart_command=HOOK)
    form = form_at(api.ask("GET", f"/workspaces/{lab}").text, f"/workspaces/{lab}")
    theirs = {"status": "failed", "cap": 2, "native_scheduler": True}
    assert api.ask("PATCH", f"/api/workspaces/{lab}", json=theirs).status_code == 200

    saved = press(api, f"/workspaces/{lab}", **{**form, "name": "laboratory"})

    assert "said=saved" in saved.headers["location"]
    assert place(api, lab) == {"name": "laboratory", "health_url": None, "restart_command": HOOK, **theirs}


@pytest.mark.parametrize(
    ("theirs", "mine", "said"),
    [
        ({"cap": 2}, {"cap": "9"}, "Somebody made it “2” meanwhile."),
        ({"health_url": None}, {"health_url": "http://b.example"}, "Somebody emptied it meanwhile."),
        ({"native_scheduler": False}, {"native_scheduler": ""}, ""),
        ({"cap": 9}, {"cap": "9"}, ""),
    ],
)
def test_what_two_change_alike_is_not_written_unseen(api: Api, theirs: dict[str, Any], mine: dict[str, str], said: str):
    lab = api.workspace("lab", health_url="http://a.example", native_scheduler=True)
    form = form_at(api.ask("GET", f"/workspaces/{lab}").text, f"/workspaces/{lab}")
    assert api.ask("PATCH", f"/api/workspaces/{lab}", json=theirs).status_code == 200

    answer = press(api, f"/workspaces/{lab}", **{**form, **mine})

    if not said:
        assert answer.status_code == 303
        return
    assert answer.status_code == 412
    assert said in answer.text
    known = place(api, lab)
    assert {it: known[it] for it in theirs} == theirs
    again = press(api, f"/workspaces/{lab}", **form_at(answer.text, f"/workspaces/{lab}"))
    assert again.status_code == 303
    [(name, value)] = mine.items()
    assert str(place(api, lab)[name]) == value


@pytest.mark.parametrize(
    ("path", "form", "field", "said"),
    [
        ("/limits", {"lane": "gpu", "cap": "many"}, "lane", "A cap is a whole number"),
        ("/limits", {"lane": "there", "cap": "1"}, "lane", "There is a lane of that name already"),
        ("/limits", {"lane": "\u202e", "cap": "1"}, "lane", "direction or invisible characters"),
        ("/limits", {"key": "fleet", "cap": "-4"}, "cap", "A cap is a whole number"),
        ("/limits", {"key": "lane:gone", "cap": "-4"}, "cap", "A cap is a whole number"),
        ("/budgets", {"key": "fleet", "turns": "7", "tokens": "", "usd": "5,50"}, "usd", "for example 5.50"),
        ("/budgets", {"key": "fleet", "turns": "0", "tokens": "6", "usd": ""}, "turns", "a whole number above 0"),
        ("/budgets", {"key": "fleet", "turns": "", "tokens": "x", "usd": "nan"}, "tokens", "a whole number above 0"),
        ("/budgets", {"key": "fleet", "turns": "", "tokens": "", "usd": ""}, "turns", "Give turns, tokens or micros"),
    ],
)
def test_a_refusal_of_a_cap_or_a_budget_stands_beside_what_was_typed(
    api: Api, path: str, form: dict[str, str], field: str, said: str
):
    assert api.ask("PUT", "/api/limits/lane:there", json={"cap": 8}).status_code == 200

    answer = press(api, path, **form)

    assert answer.status_code == 422 or "already" in said
    beside = re.search(rf'id="error-{field}">([^<]*)<', answer.text)
    assert beside is not None
    assert said in beside[1]
    for value in (it for name, it in form.items() if it and name != "key"):
        assert f'value="{html.escape(value)}"' in answer.text or form.get("key") == "lane:gone"
    assert "data-every" not in answer.text
    assert api.rows("select key, cap from limits order by key") == [("fleet", 2), ("lane:there", 8)]
    assert api.rows("select count(*) from budgets") == [(0,)]


def test_a_budget_is_edited_from_what_it_says(api: Api):
    press(api, "/budgets", key="fleet", turns="100", usd="2.000001")
    page = api.ask("GET", "/limits").text
    assert "/limits?budget=fleet#budget-key" in page

    form = form_at(api.ask("GET", "/limits?budget=fleet").text, "/budgets")
    assert {it: form[it] for it in ("key", "turns", "tokens", "usd")} == {
        "key": "fleet",
        "turns": "100",
        "tokens": "",
        "usd": "2.000001",
    }
    press(api, "/budgets", **{**form, "tokens": "5"})

    assert api.rows("select turns, tokens, micros from budgets") == [(100, 5, 2_000_001)]


def test_a_row_with_a_button_is_known_by_what_the_button_is_about(api: Api):
    """Else a script that takes over what changed puts another limit's key under what somebody types."""
    for name in ("b", "c d"):
        press(api, "/limits", lane=name, cap="1")
    press(api, "/budgets", key="fleet", turns="1")

    page = api.ask("GET", "/limits").text

    for row, key in (("limit-lane%3Ab", "lane:b"), ("limit-lane%3Ac%20d", "lane:c d"), ("budget-fleet", "fleet")):
        inside = page[page.index(f'<tr id="{row}">') :]
        assert set(re.findall(r'name="key" value="([^"]*)"', inside[: inside.index("</tr>")])) == {key}


def test_what_is_typed_of_a_new_workspace_stays_with_what_is_wrong_with_it(api: Api):
    refused = press(api, "/workspaces", name="lab", cap="many")

    assert refused.status_code == 422
    assert form_at(refused.text, "/workspaces") == {"name": "lab", "cap": "many"}
    # A page that asks for itself would take over the empty form.
    assert "data-every" not in refused.text
    assert "data-every" in api.ask("GET", "/workspaces").text


def test_a_paused_fleet_says_which_cap_comes_back_and_one_that_is_set_meanwhile(api: Api):
    press(api, "/fleet/pause")
    page = api.ask("GET", "/limits").text

    assert "its cap is 0, and 2 when it is resumed" in page
    assert form_at(page, "/limits")["cap"] == "2"
    press(api, "/limits", key="fleet", cap="5")
    assert "its cap is 0, and 5 when it is resumed" in api.ask("GET", "/limits").text
    press(api, "/fleet/resume")

    assert api.rows("select cap from limits where key = 'fleet'") == [(5,)]
    assert "is resumed" not in api.ask("GET", "/limits").text


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("lease_seconds", "soon", "lease_seconds is a number, for example 60."),
        ("lease_seconds", "", "lease_seconds is a number, for example 60."),
        ("dead_ticks", "2.5", "dead_ticks is a whole number, for example 2."),
        ("max_turns", "many", "max_turns is a whole number, or nothing."),
    ],
)
def test_a_setting_that_is_no_number_is_refused_in_words_and_stands_where_it_is_read(
    api: Api, key: str, text: str, said: str
):
    page = press(api, "/settings", key=key, value=text)

    assert page.status_code == 422
    assert said in page.text
    [focused] = re.findall(r"<input[^>]* autofocus>", page.text)
    assert f'aria-label="{key}"' in focused
    assert api.rows("select count(*) from settings where key = %s", key) == [(0,)]


def test_only_the_occurrence_that_was_shown_is_skipped(api: Api):
    made = api.schedule(api.workspace(), "hourly", cron="0 * * * *")["id"]
    page = f"/schedules/{made}"
    form = form_at(api.ask("GET", page).text, f"{page}/skip-next")
    later = "update schedules set next_run_at = next_run_at + interval '1 h' where id = %s returning next_run_at"
    api.rows(later, made)

    refused = press(api, f"{page}/skip-next", **form)
    assert refused.status_code == 409
    assert "not the next one any more" in refused.text
    assert api.get(f"/api/schedules/{made}")["skip_next_at"] is None

    twice = form_at(api.ask("GET", page).text, f"{page}/skip-next")
    assert [press(api, f"{page}/skip-next", **twice).status_code for _ in range(2)] == [303, 303]
    assert api.get(f"/api/schedules/{made}")["skip_next_at"] is not None


def test_a_move_out_of_a_crowd_is_of_the_times_that_were_shown(api: Api):
    lab = api.workspace()
    made = api.schedule(lab, "mine")["id"]
    api.schedule(lab, "beside")
    api.rows("update schedules set avg_turns_per_firing = 2000 returning 1")
    form = form_at(api.ask("GET", f"/schedules/{made}").text, f"/schedules/{made}/move")
    api.ask("PATCH", f"/api/schedules/{made}", json={"cron": "0 5 * * *"})

    refused = press(api, f"/schedules/{made}/move", **form)

    assert refused.status_code == 412
    assert api.get(f"/api/schedules/{made}")["cron"] == "0 5 * * *"
