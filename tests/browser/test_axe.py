"""Every page, light and dark: axe finds nothing serious, and no window need be scrolled sideways."""

import sys

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Stack
from tests.waiting import until

PAGES = (
    *("/", "/schedules", "/schedules/new", "/schedules/{schedule}", "/schedules/{schedule}/edit", "/firings"),
    *("/firings/{firing}", "/forecast", "/workspaces", "/workspaces/{workspace}", "/limits", "/outages"),
    *("/activity", "/settings", "/sign-in", "/schedules/00000000-0000-0000-0000-000000000000", "/nonsense"),
)
OPENS_OUTSIDE = """[...document.querySelectorAll("details.pop")].some((it) => {
  it.open = true;
  const { left, right, width } = it.querySelector("form").getBoundingClientRect();
  it.open = false;
  return left < 0 || right > document.documentElement.clientWidth || width < 100;
})"""
INDENTED = """[...document.querySelectorAll("th > .where")].map((it) => {
  const [own, name] = [it, it.parentElement.querySelector(".name")].map((each) => each.getBoundingClientRect());
  return own.top >= name.bottom ? Math.round(own.left - name.left) : null;
}).filter((it) => it !== null)"""
TALKS = 'import json; print(json.dumps({"type": "turn", "text": "hello"})); print("done")'


@pytest.fixture(scope="session")
def seeded(stack: Stack) -> dict[str, str]:
    """Of everything that can be seen one: what ran, failed, waits, was skipped, collides, is paused."""
    place = stack.workspace("seeded " + 150 * "x")
    stack.schedule(place, ("a name in many words " * 10)[:200].strip(), cron="*/7 * * * *", lane="l" * 60)
    schedule = stack.schedule(
        place, "seen " + 195 * "y", sys.executable, "-c", TALKS, cron="0 3 * * *", max_turns=9, prompt="look"
    )
    firing = stack.ran(schedule)
    stack.ran(stack.schedule(place, "fails", "false"))
    neighbour = stack.schedule(place, "neighbour", cron="0 3 * * *")
    stack.sql("update schedules set avg_turns_per_firing = 3000 where id = %s", neighbour)
    stack.api.post(f"/api/schedules/{stack.schedule(place, 'paused')}/pause", json={"note": "why"})
    stack.api.patch(f"/api/schedules/{schedule}", json={"prompt": "look around"}).raise_for_status()
    # Of this workspace and lane alone: what holds up the fleet would hold up the other tests.
    stack.api.put("/api/limits/lane:seeded", json={"cap": 0}).raise_for_status()
    stack.api.put(f"/api/budgets/workspace:{place}", json={"turns": 100_000}).raise_for_status()
    stack.sql(
        """
        insert into failure_classes (key, reason, place, tripped_at, schedules, next_probe_at, healed_at, healed_by)
        values ('rate_limited@lane:a', 'rate_limited', 'lane:a', now(), 3, now() + interval '1 h', null, null),
               ('rate_limited@lane:b', 'rate_limited', 'lane:b', now(), 3, now(), now(), 'hand')
        """
    )
    until(lambda: stack.sql("select 1 from schedules where avg_turns_per_firing = 1 and id = %s", schedule))
    return {"schedule": schedule, "firing": firing, "workspace": place}


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_light_or_dark(stack: Stack, page: Page, seeded: dict[str, str], path: str) -> None:
    # A colour that is still on its way to another one is none that somebody reads.
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(stack.url + path.format(**seeded))

    light = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    # Of the same page in other colours, only its colours are new.
    dark = Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]

    assert [f"{it['id']}: {[node['html'] for node in it['nodes']][:3]}" for it in [*light, *dark]] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_window_and_what_opens_stays_within_it(
    stack: Stack, browser: Browser, seeded: dict[str, str], width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=width < 500)
    page = context.new_page()
    wide: list[str] = []
    for path in PAGES:
        page.goto(stack.url + path.format(**seeded))
        if page.evaluate("document.documentElement.scrollWidth") > width or page.evaluate(OPENS_OUTSIDE):
            wide.append(path)
    context.close()
    assert wide == []


def test_a_workspace_that_has_no_room_beside_its_firing_begins_where_the_firing_does(
    stack: Stack, page: Page, seeded: dict[str, str]
) -> None:
    assert seeded
    page.goto(stack.url + "/firings")

    assert set(page.evaluate(INDENTED)) == {0}
