"""What a person does with the dashboard from beginning to end, in a real browser on a real stack."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Stack

# Its last step is taken when the file that it is told of is there.
SAYS = """import json, os, sys, time
for n in range(4):
    while n == 3 and not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    print(json.dumps({"type": "turn", "text": f"step {n}"}), flush=True)
"""


def crowd(stack: Stack, workspace: str) -> None:
    """A neighbour at 03:00 that takes many turns."""
    big = stack.schedule(workspace, "nightly crawl", cron="0 3 * * *")
    stack.sql("update schedules set avg_turns_per_firing = 3200 where id = %s", big)


def test_the_next_times_stand_beside_the_form_while_it_is_typed(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/schedules/new?workspace={stack.workspace()}")
    preview = page.locator("#preview")

    page.get_by_label("Cron").fill("30 9 * * *")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(preview.get_by_label("The next times").locator("li")).to_have_count(5)
    expect(preview).to_contain_text(re.compile("09:30 CES?T"))
    page.get_by_label("Cron").fill("61 9 * * *")
    expect(preview.locator(".error")).to_contain_text("61")
    page.get_by_label("Prompt", exact=True).fill("MAX 30 turns, please")
    page.get_by_label("Cron").fill("every day")
    expect(preview.locator(".error")).to_be_visible()
    page.get_by_label("Cron").fill("@daily")

    expect(preview).to_contain_text("What holds is “Max agent steps”")
    expect(preview).to_contain_text("00:00")


def test_a_schedule_is_moved_out_of_a_crowd_and_made_with_what_was_typed(stack: Stack, page: Page) -> None:
    lab = stack.workspace()
    crowd(stack, lab)
    page.goto(f"{stack.url}/schedules/new?workspace={lab}")
    page.get_by_label("Name", exact=True).fill("my report")
    page.get_by_label("Cron").fill("0 3 * * *")
    expect(page.locator("#preview")).to_contain_text("Crowded: about 3,200 turns at once")

    better = page.locator("#preview button[name=cron_offset]").first
    wanted = str(better.get_attribute("value"))
    better.click()
    expect(page.get_by_label("Cron")).to_have_value(wanted)
    expect(page.locator("#preview")).not_to_contain_text("Crowded")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.locator("#error-command-argv")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("my report")
    page.get_by_label("Command line").fill("true 'and so on'")
    page.get_by_role("button", name="Create schedule").click()

    expect(page.get_by_role("status").filter(has_text="was created")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("my report")
    assert stack.sql("select cron, target -> 'argv' from schedules where name = 'my report'") == [
        (wanted, ["true", "and so on"])
    ]


def test_a_run_is_watched_until_it_ends_without_a_reload(stack: Stack, page: Page, tmp_path: Path) -> None:
    schedule = stack.schedule(stack.workspace(), "talker", "python3", "-c", SAYS, str(tmp_path / "go on"))
    page.goto(f"{stack.url}/schedules/{schedule}")

    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("status").filter(has_text="was given a slot")).to_be_visible()
    page.locator("#past").get_by_role("link", name="#1").click()
    expect(page.locator("#state .outcome")).to_contain_text("running")
    expect(page.locator("#events")).to_contain_text("step 2")
    page.evaluate("window.sameDocument = true")
    (tmp_path / "go on").touch()

    expect(page.locator("#events")).to_contain_text("step 3")
    expect(page.locator("#state .outcome")).to_contain_text("completed")
    expect(page.get_by_role("button", name="Run it again")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


def test_a_pause_keeps_what_is_typed_while_the_page_lives_on_and_says_its_reason(stack: Stack, page: Page) -> None:
    schedule = stack.schedule(stack.workspace(), "loud one")
    page.goto(f"{stack.url}/schedules?q=loud+one")
    row = page.locator(f"#schedule-{schedule}")
    row.get_by_label("Pause loud one").click()
    note = row.get_by_label("Why (may stay empty)")
    note.type("too lo")
    stack.api.patch(f"/api/schedules/{schedule}", json={"lane": "opus"}).raise_for_status()
    expect(row).to_contain_text("lane opus")  # it was taken over by a poll meanwhile

    expect(note).to_be_focused()
    note.type("ud")
    row.get_by_role("button", name="Pause it").click()

    expect(row).to_contain_text("by dashboard: too loud")
    row.get_by_label("Resume loud one").click()
    expect(row.get_by_label("Run loud one now")).to_be_visible()


def test_at_a_full_cap_one_is_queued_and_one_is_forced(stack: Stack, page: Page) -> None:
    lab = stack.workspace()
    schedule = stack.schedule(lab, "urgent", "sleep", "60")
    full = stack.full(lab)
    page.goto(f"{stack.url}/schedules/{schedule}")

    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not started: no free slot")
    expect(page.locator("main")).to_contain_text("fleet cap 2 reached; nobody can say when a slot will be free")
    page.get_by_role("button", name="Queue it").click()
    expect(page.get_by_role("status").filter(has_text="waits in line")).to_be_visible()
    page.goto(stack.url)
    expect(page.locator("#line")).to_contain_text("fleet full (2 of 2)")
    page.get_by_label("Cancel urgent number 1").click()
    page.goto(f"{stack.url}/schedules/{schedule}")
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("button", name="Force (will be logged)").click()

    expect(page.get_by_role("status").filter(has_text="starts beyond the cap")).to_be_visible()
    page.goto(f"{stack.url}/activity?by=people")
    expect(page.locator("#log")).to_contain_text("forced past the cap")
    page.goto(stack.url)
    expect(page.locator("#slots")).to_contain_text("3 / 2")
    forced = stack.sql("select id::text from firings where schedule_id = %s and forced", schedule)
    stack.end([*full, forced[0][0]])


def test_without_a_script_a_schedule_is_previewed_made_paused_and_run(stack: Stack, browser: Browser) -> None:
    lab = stack.workspace()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{stack.url}/schedules/new?workspace={lab}")

    page.get_by_label("Name", exact=True).fill("plain")
    page.get_by_label("Cron").fill("30 9 * * *")
    page.get_by_label("Command line").fill("true")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_label("The next times").locator("li")).to_have_count(5)
    page.get_by_role("button", name="Create schedule").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("plain")
    page.get_by_label("Pause this schedule").click()
    page.get_by_label("Why (may stay empty)").fill("lunch")
    page.get_by_role("button", name="Pause it").click()
    expect(page.locator("#paused")).to_contain_text("lunch")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Run now").click()

    expect(page.locator("#past")).to_contain_text("#1")
    page.goto(f"{stack.url}/?hours=6")
    expect(page.locator("#timeline")).to_contain_text("The last 6 h")
    context.close()
