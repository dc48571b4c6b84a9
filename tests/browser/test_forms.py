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
