"""The page lives by itself: it asks while somebody looks, says when nobody answers, and lets people in or not."""

import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Stack
from tests.console.conftest import Api, serving
from tests.console.test_api_tokens import token
from tests.waiting import until


def test_a_page_that_nobody_sees_asks_nothing_and_asks_at_once_when_it_is_seen(stack: Stack, page: Page) -> None:
    asked: list[str] = []
    page.clock.install()
    page.goto(stack.url)
    page.on("request", lambda it: asked.append(it.url))
    until(lambda: page.clock.run_for(2100) or (pumped(page) and len(asked) >= 2))

    hide(page, hidden=True)
    asked.clear()
    page.clock.run_for(60_000)
    # What was asked for before this would be told before it.
    page.evaluate("() => fetch('/healthz')")
    assert asked == [f"{stack.url}/healthz"]

    hide(page, hidden=False)
    until(lambda: pumped(page) and len(asked) >= 2)


def hide(page: Page, *, hidden: bool) -> None:
    """As if the tab went behind another: headless browsers have none."""
    page.evaluate(
        """hidden => {
             Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
             document.dispatchEvent(new Event("visibilitychange"));
           }""",
        hidden,
    )


def pumped(page: Page) -> bool:
    """Lets the browser's news come in."""
    page.wait_for_timeout(50)
    return True


def test_a_page_says_that_the_server_is_gone_and_comes_back_by_itself(api: Api, page: Page) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with serving(api.app, port=port) as url:
        page.goto(f"{url}/schedules")
        expect(page.locator("#pulse")).to_have_text("live")
    expect(page.locator("#pulse")).to_contain_text("server gone since")
    expect(page.locator("body")).to_have_class("stale")

    api.workspace("came meanwhile")
    with serving(api.app, port=port):
        expect(page.locator("#pulse")).to_have_text("live")
        expect(page.locator("body")).not_to_have_class("stale")


def test_a_database_that_is_gone_is_said_and_what_stood_there_stays(stack: Stack, page: Page) -> None:
    page.goto(stack.url)
    expect(page.locator("#pulse")).to_have_text("live")

    def away(route: Route) -> None:
        route.fulfill(status=503, body="<h1>Postgres cannot be reached</h1>", content_type="text/html")

    page.route("**/*", away)
    expect(page.locator("#pulse")).to_contain_text("database gone since")
    expect(page.locator("#slots")).to_be_visible()
    page.unroute("**/*")
    expect(page.locator("#pulse")).to_have_text("live")


def test_a_browser_is_refused_first_and_comes_back_to_where_it_was(wide: Api, page: Page) -> None:
    address = address_of(wide)
    page.goto(f"{address}/schedules?state=paused")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    sign_in(page, "sb_nonsense")
    expect(page.get_by_role("alert")).to_contain_text("no such token")
    sign_in(page, token(wide, "reader", "read"))

    expect(page).to_have_url(f"{address}/schedules?state=paused")
    expect(page.locator(".signed")).to_contain_text("reader")
    expect(page.get_by_role("link", name="New schedule")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_who_signed_in_acts_under_the_name_of_the_token_until_it_is_revoked(wide: Api, page: Page) -> None:
    page.goto(address_of(wide))
    sign_in(page, token(wide, "alice", "operate"))
    page.get_by_label("Pause the whole fleet").click()
    page.get_by_role("button", name="Pause it").click()
    expect(page.locator("#alarms")).to_contain_text("paused by token:alice (dashboard)")

    wide.rows("update api_tokens set revoked_at = now() returning 1")

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


TALKS = """import json, os, sys, time
for n in range(80):
    print(json.dumps({"type": "log", "text": f"line {n}"}), flush=True)
for file in sys.argv[1:]:
    while not os.path.exists(file):
        time.sleep(0.05)
    print(json.dumps({"type": "log", "text": f"then {os.path.basename(file)}"}), flush=True)
"""
FROM_THE_END = "it => it.scrollHeight - it.scrollTop - it.clientHeight"


def test_a_log_is_read_from_its_end_until_somebody_scrolls_up(stack: Stack, page: Page, tmp_path: Path) -> None:
    files = [tmp_path / "more", tmp_path / "most"]
    schedule = stack.schedule(stack.workspace(), "talks", "python3", "-c", TALKS, *map(str, files))
    firing = stack.api.post(f"/api/schedules/{schedule}/execute", params={"queue": "true"}, json={}).json()["firing_id"]
    page.goto(f"{stack.url}/firings/{firing}")
    log = page.locator("#events")
    expect(log).to_contain_text("line 79")
    until(lambda: log.evaluate(FROM_THE_END) < 10 and pumped(page))

    files[0].touch()
    expect(log).to_contain_text("then more")
    assert log.evaluate(FROM_THE_END) < 10
    log.evaluate("it => { it.scrollTop = 50 }")
    files[1].touch()
    expect(log).to_contain_text("then most")

    assert log.evaluate("it => it.scrollTop") == 50


def address_of(wide: Api) -> str:
    return str(wide.client.base_url).rstrip("/").replace("0.0.0.0", "127.0.0.1")


def sign_in(page: Page, text: str) -> None:
    page.get_by_label("API token").fill(text)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("path", ["/", "/schedules"])
def test_the_keyboard_reaches_everything_and_is_seen(stack: Stack, page: Page, path: str) -> None:
    page.goto(stack.url + path)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_be_focused()

    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert page.evaluate("document.getElementById('live').contains(document.activeElement)")


def test_who_wants_no_motion_gets_none(stack: Stack, browser: Browser) -> None:
    moves = {}
    for wish in ("reduce", "no-preference"):
        context = browser.new_context(reduced_motion=wish)
        page = context.new_page()
        page.goto(stack.url)
        moves[wish] = page.evaluate("getComputedStyle(document.querySelector('.button')).transitionDuration")
        context.close()
    assert moves["reduce"] == "0s"
    assert moves["no-preference"] != "0s"
