"""Forms as a real browser sends them: what nobody touched stays as it was, what is typed is nobody else's."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack

SCRIPT = {"kind": "command", "argv": ["sh", "-c", "\nset -e\necho a\n"]}


@pytest.mark.parametrize(
    "over",
    [
        {"prompt": "\nfirst\r\nsecond\n\n"},
        {"success_check": {"argv": ["sh", "-c", "grep ok\ntrue"]}},
        {"success_check": {"pattern": " ok\n$"}},
        {"start_at": "2097-01-01T00:00:07.25Z", "end_at": "2098-01-01T00:00:00.000001Z"},
        {"kind": "once", "cron": None, "timezone": "Europe/Berlin", "run_at": "2097-10-27T01:30:00Z"},
    ],
)
def test_a_schedule_that_is_saved_as_it_was_shown_is_as_it_was(stack: Stack, page: Page, over: dict[str, Any]) -> None:
    form = {"workspace_id": stack.workspace(), "name": "same", "cron": "0 3 31 12 *", "target": SCRIPT, **over}
    given = {name: value for name, value in form.items() if value is not None}
    schedule = stack.api.post("/api/schedules", json=given).raise_for_status().json()["schedule"]["id"]
    page.goto(f"{stack.url}/schedules/{schedule}/edit")

    page.locator("button.primary").click()

    expect(page.locator(".said")).to_contain_text("is as it was")
    assert stack.api.get(f"/api/schedules/{schedule}/revisions").json()["items"] == []


def test_a_cap_that_is_typed_while_another_limit_is_added_is_set_where_it_was_typed(stack: Stack, page: Page) -> None:
    stack.api.put("/api/limits/lane:zeta", json={"cap": 5}).raise_for_status()
    page.goto(f"{stack.url}/limits")
    cap = page.get_by_label("Cap of lane zeta", exact=True)
    cap.fill("7")
    stack.api.put("/api/limits/lane:alpha", json={"cap": 3}).raise_for_status()
    expect(page.get_by_label("Cap of lane alpha", exact=True)).to_have_value("3")

    expect(cap).to_have_value("7")
    page.get_by_role("button", name="Set the cap of lane zeta").click()

    expect(page.locator(".said")).to_contain_text("The cap was set")
    kept = stack.sql("select key, cap from limits where key in ('lane:alpha', 'lane:zeta') order by key")
    assert kept == [("lane:alpha", 3), ("lane:zeta", 7)]
    for it in ("alpha", "zeta"):
        stack.api.delete(f"/api/limits/lane:{it}").raise_for_status()


def test_what_others_change_while_one_types_is_said_and_not_written_over(stack: Stack, page: Page) -> None:
    lab = stack.workspace("typed")
    page.goto(f"{stack.url}/workspaces/{lab}")
    page.locator("#cap").fill("4")
    stack.api.patch(f"/api/workspaces/{lab}", json={"cap": 2}).raise_for_status()
    expect(page.locator("#facts")).to_contain_text("Cap2")

    page.locator("#edit button.primary").click()

    expect(page.locator("#error-cap")).to_contain_text("Somebody made it “2” meanwhile.")
    expect(page.locator("#cap")).to_have_value("4")
    page.locator("#edit button.primary").click()
    expect(page.locator(".said")).to_contain_text("was saved")
    assert stack.api.get(f"/api/workspaces/{lab}").json()["cap"] == 4


def test_a_button_that_is_clicked_twice_is_meant_once(stack: Stack, page: Page) -> None:
    lab = stack.workspace("twice")
    hook = {"restart_command": ["true"]}
    stack.api.patch(f"/api/workspaces/{lab}", json=hook).raise_for_status()
    page.goto(f"{stack.url}/workspaces/{lab}")
    # Nobody answers: what is sent is only noted, and whether the page's script let it go.
    page.evaluate(
        """window.sent = []; addEventListener("submit", (event) => {
          sent.push([event.submitter.textContent, !event.defaultPrevented]); event.preventDefault(); })"""
    )

    page.get_by_role("button", name="Restart").dblclick()
    page.get_by_role("button", name="Pause", exact=True).click()

    assert page.evaluate("window.sent") == [["Restart", True], ["Restart", False], ["Pause", True]]
