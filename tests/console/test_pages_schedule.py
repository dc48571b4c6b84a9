"""One schedule's pages: made and edited by a form that loses nothing, seen with what was and what comes."""

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.console.test_pages import text_of
from tests.console.test_pages_scene import Scene, scene_on

COMMAND = {"target.kind": "command", "command.argv": "agent --say 'two words'", "command.adapter": "generic"}
USUAL = {"kind": "scheduled", "cron": "30 9 * * mon-fri", "timezone": "Europe/Berlin", **COMMAND}


@pytest.fixture
def scene(database_url: str, redis_url: str) -> Iterator[Scene]:
    with scene_on(database_url, redis_url) as made:
        yield made


def row(scene: Scene, columns: str) -> Any:
    query: Any = f"select {columns} from schedules"
    return scene.sql.execute(query).fetchone()


def crowd(scene: Scene, lab: UUID) -> UUID:
    """A neighbour at 03:00 that takes many turns."""
    big = scene.schedule(lab, "nightly crawl", cron="0 3 * * *")
    scene.sql.execute("update schedules set avg_turns_per_firing = 2900 where id = %s", [big])
    return big


def test_a_form_makes_a_schedule_and_leads_to_it(scene: Scene):
    lab = scene.workspace()

    answer = scene.press("/schedules/new", workspace_id=str(lab), name="digest", max_turns="40", headers=None, **USUAL)

    assert answer.status_code == 303
    page = scene.get(answer.headers["location"]).text
    assert "“digest” was created." in page
    assert "at 09:30 on Monday to Friday" in text_of(page)
    known = row(scene, "cron, timezone, max_turns, max_run_seconds, target")
    assert known[:4] == ("30 9 * * mon-fri", "Europe/Berlin", 40, None)
    assert known[4] == {"kind": "command", "argv": ["agent", "--say", "two words"], "env": {}, "adapter": "generic"}


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(scene: Scene):
    lab = scene.workspace()
    typed = {**USUAL, "cron": "61 9 * * *", "name": "", "max_turns": "many", "lane": "opus", "prompt": "do <it>"}
    typed |= {"command.env": "{not json"}

    answer = scene.press("/schedules/new", workspace_id=str(lab), headers=None, **typed)

    assert answer.status_code == 422
    for name in ("name", "max_turns", "command-env"):
        assert f'id="error-{name}"' in answer.text
    for value in ("61 9 * * *", "many", "opus", "do &lt;it&gt;", "{not json", "agent --say"):
        assert value in html.unescape(answer.text) or value in answer.text
    assert row(scene, "count(*)") == (0,)
    again = scene.press(
        "/schedules/new", workspace_id=str(lab), headers=None, **{**USUAL, "name": "x", "cron": "61 9 * * *"}
    )
    assert 'id="error-cron"' in again.text


def test_a_name_that_is_taken_is_said_beside_the_name(scene: Scene):
    lab = scene.workspace()
    scene.schedule(lab, "digest")
    answer = scene.press("/schedules/new", workspace_id=str(lab), name="digest", headers=None, **USUAL)
    assert answer.status_code == 409
    assert 'id="error-name"' in answer.text


def test_the_preview_tells_the_next_five_times_in_the_zone_before_anything_is_saved(scene: Scene):
    answer = scene.press("/schedules/preview", cron="30 9 * * *", timezone="America/New_York", kind="scheduled")

    assert answer.status_code == 200
    seen = text_of(answer.text, "preview")
    assert len(re.findall(r"09:30 E[DS]T", seen)) == 5
    assert "at 09:30" in seen
    assert row(scene, "count(*)") == (0,)


def test_a_limit_in_the_prompt_is_called_a_hint(scene: Scene):
    told = "The prompt names a number of turns"
    usual = {"cron": "0 3 * * *", "timezone": "UTC", "kind": "scheduled"}
    assert told in scene.press("/schedules/preview", prompt="Read on. MAX 30 turns!", headers=None, **usual).text
    assert told not in scene.press("/schedules/preview", prompt="turn maximal 30", headers=None, **usual).text


def test_an_unsaved_schedule_hears_of_its_neighbours_and_takes_a_better_time_by_one_button(scene: Scene):
    lab = scene.workspace()
    crowd(scene, lab)
    scene.sql.execute("update schedules set avg_turns_per_firing = 3100")
    typed = {**USUAL, "workspace_id": str(lab), "name": "mine", "cron": "0 3 * * *", "timezone": "UTC"}

    page = scene.press("/schedules/preview", headers=None, **typed).text
    better = re.findall(r'name="cron_offset" value="([^"]+)"', page)

    assert "Crowded: about 3,100 turns at once in 1 span of five minutes" in text_of(page)
    assert "beside nightly crawl" in text_of(page)
    assert len(better) == 3
    moved = scene.press("/schedules/preview", cron_offset=better[0], headers=None, **typed).text
    assert f'name="cron" type="text" value="{better[0]}"' in moved
    assert "Crowded" not in moved
    assert 'value="mine"' in moved


def test_a_saved_schedule_that_collides_is_moved_by_one_button(scene: Scene):
    lab = scene.workspace()
    crowd(scene, lab)
    mine = scene.schedule(lab, "mine", cron="0 3 * * *")
    scene.sql.execute("update schedules set avg_turns_per_firing = 200 where id = %s", [mine])
    page = scene.get(f"/schedules/{mine}").text
    better = re.findall(r'name="cron" value="([^"]+)"', page)
    assert "about 3,100 turns at once" in text_of(page)

    answer = scene.press(f"/schedules/{mine}/move", cron=better[0], to=f"/schedules/{mine}")

    after = scene.get(answer.headers["location"]).text
    assert "“mine” runs at other times from now on." in after
    assert "turns at once" not in after
    assert scene.sql.execute("select cron from schedules where id = %s", [mine]).fetchone() == (better[0],)


def test_an_edit_keeps_what_the_form_shows_and_stands_in_the_history(scene: Scene):
    lab = scene.workspace()
    made = scene.press(
        "/schedules/new", workspace_id=str(lab), name="digest", start_at="2099-01-31T09:30", headers=None, **USUAL
    )
    page = urlsplit(made.headers["location"]).path
    form = fields_of(scene.get(f"{page}/edit").text)

    same = scene.press(f"{page}/edit", headers=None, **form)
    other = scene.press(f"{page}/edit", headers=None, **{**form, "prompt": "briefly"})

    assert "said=unchanged" in same.headers["location"]
    assert "said=saved" in other.headers["location"]
    assert form["start_at"] == "2099-01-31T09:30"
    assert row(scene, "prompt, revision, start_at at time zone 'Europe/Berlin' = '2099-01-31 09:30'") == (
        "briefly",
        2,
        True,
    )
    assert re.search(r"2 now dashboard prompt\s+→ briefly", text_of(scene.get(page).text, "edits"))


def test_an_edit_of_what_somebody_else_edited_is_not_lost_and_not_written_unseen(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    scene.sql.execute("update schedules set target = %s::jsonb", ['{"kind": "command", "argv": ["true"]}'])
    form = fields_of(scene.get(f"/schedules/{schedule}/edit").text)
    scene.press(f"/schedules/{schedule}/edit", headers=None, **{**form, "prompt": "theirs"})

    refused = scene.press(f"/schedules/{schedule}/edit", headers=None, **{**form, "prompt": "mine"})

    assert refused.status_code == 412
    assert "Somebody edited it meanwhile" in refused.text
    assert "(dashboard: Prompt" in refused.text
    again = fields_of(refused.text)
    assert again["prompt"] == "mine"
    assert row(scene, "prompt") == ("theirs",)
    assert scene.press(f"/schedules/{schedule}/edit", headers=None, **again).status_code == 303
    assert row(scene, "prompt") == ("mine",)


def test_a_schedules_page_shows_what_was_beside_what_comes_and_why(scene: Scene):
    lab = scene.workspace()
    schedule = scene.schedule(lab, "digest", cron="0 9 * * *")
    scene.settle(scene.run(lab, "digest", schedule_id=schedule, source="manual", max_turns=9))
    scene.settle(scene.run(lab, "digest", schedule_id=schedule, source="manual"), "oom", "too much")
    scene.sql.execute(
        """
        insert into skips (id, schedule_id, first_at, last_at, count, reason)
        values (gen_random_uuid(), %s, now() - interval '2 h', now() - interval '1 h', 3, 'overlap')
        """,
        [schedule],
    )

    page = scene.get(f"/schedules/{schedule}").text

    past = text_of(page, "past")
    assert "3 occurrences skipped: an earlier firing was still at work" in past
    assert past.index("failed: out of memory") < past.index("completed")
    assert len(re.findall(r"09:00 UTC", text_of(page, "upcoming"))) >= 9
    assert 'aria-label="Turns: 2 firings, median 3, at most 3"' in page
    assert "digest #" in text_of(page, "why")


def test_a_copy_begins_as_its_original(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest", cron="5 4 * * *")
    form = fields_of(scene.get(f"/schedules/new?like={schedule}").text)
    assert form["name"] == "digest (copy)"
    assert form["cron"] == "5 4 * * *"


def test_a_deleted_schedule_is_gone_from_the_list(scene: Scene):
    schedule = scene.schedule(scene.workspace(), "digest")
    answer = scene.press(f"/schedules/{schedule}/delete", to="/schedules")
    assert "digest" not in text_of(scene.get(answer.headers["location"]).text, "schedules")
    assert scene.sql.execute("select actor from activity_logs").fetchall() == [("dashboard",)]


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_no_form_leads_to_another_site(scene: Scene, to: str):
    schedule = scene.schedule(scene.workspace(), "digest")
    answer = scene.press(f"/schedules/{schedule}/pause", to=to)
    assert answer.headers["location"].startswith("/?said=paused")


def fields_of(page: str) -> dict[str, str]:
    """The fields of a form as a browser would send them untouched."""
    form = page[page.index("<form class=") : page.index("</form>", page.index("<form class="))]
    for text in re.findall(r'<input (?!type="hidden")[^>]*>', form):
        form = form.replace(text, re.sub(r"[\r\n]", "", text))
    found = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form))
    for name, inside in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', inside) or re.search(r'value="([^"]*)"', inside)
        assert chosen is not None
        found[name] = chosen[1]
    # An end of a line that stands first is not read; each one is sent as two characters.
    for name, inside in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = re.sub(r"\r\n?|\n", "\r\n", inside.removeprefix("\n"))
    return {name: html.unescape(value) for name, value in found.items()}


def test_the_next_occurrence_is_skipped_by_a_button_and_kept_by_another(scene: Scene):
    made = scene.schedule(scene.workspace(), "digest", cron="0 9 * * *")
    scene.sql.execute(
        "update schedules set remaining_runs = 2, next_run_at = date_trunc('day', now()) + interval '33 h'"
    )
    before = scene.get(f"/schedules/{made}").text

    pressed = scene.press(f"/schedules/{made}/skip-next", to=f"/schedules/{made}")
    skipped = scene.get(pressed.headers["location"]).text
    listed = text_of(scene.get("/schedules").text, "schedules")
    scene.press(f"/schedules/{made}/skip-next", to=f"/schedules/{made}", how="undo")
    kept = scene.get(f"/schedules/{made}").text

    assert "Skip the next one" in text_of(before, "upcoming")
    assert "“digest” skips its next occurrence" in skipped
    assert text_of(skipped, "upcoming").count("is skipped") == 1
    assert re.search(r'class="left-out"><span>[^<]+09:00 UTC</span>', skipped)
    # The one that is skipped is none of the two runs that remain.
    assert [it.count("09:00 UTC") for it in (before, skipped, kept)] == [2, 3, 2]
    assert "is skipped, as asked" in listed
    assert "Run the next one after all" in text_of(skipped, "upcoming")
    assert "is skipped" not in text_of(kept, "upcoming")
    assert row(scene, "skip_next_at") == (None,)


def test_a_page_of_very_many_has_little_for_each(scene: Scene):
    lab = scene.workspace()
    known = scene.schedule(lab, "digest")
    few = scene.get("/schedules").text
    scene.sql.execute(
        """
        insert into schedules (id, workspace_id, name, cron, target, next_run_at)
        select gen_random_uuid(), %s, 'job ' || nth, '0 3 * * *', '{"kind": "command", "argv": ["true"]}', now()
          from generate_series(1, 200) nth
        """,
        [lab],
    )

    many = scene.get("/schedules?most=1000").text

    rows = re.findall(r"<tr id=.*?</tr>", many, re.DOTALL)
    assert len(rows) == 201
    assert max(len(re.findall("<[a-z]", it)) for it in rows) <= 24
    assert not any("<form" in it for it in rows)
    assert f'<a class="button" href="/schedules/{known}#note-one" aria-label="Pause digest">' in many
    assert 'id="note-one"' in scene.get(f"/schedules/{known}").text
    for page in (few, many):
        assert page.count('<form id="act" method="post"') == 1
        assert f'formaction="/schedules/{known}/run"' in page
    assert few.index("</form>", few.index('<form id="act"')) < few.index("<tr id=")
    assert f'<button type="submit" form="act" formaction="/schedules/{known}/run"' in few
    assert many.index("</form>", many.index('<form id="act"')) > many.index("</table>")
    assert f'<form method="post" action="/schedules/{known}/pause"' in few


def test_what_is_paused_has_no_next_one_to_skip(scene: Scene):
    made = scene.schedule(scene.workspace(), "digest")
    scene.press(f"/schedules/{made}/skip-next")
    scene.press(f"/schedules/{made}/pause")
    seen = text_of(scene.get(f"/schedules/{made}").text, "upcoming")
    assert "Skip the next one" not in seen
    assert "after all" not in seen
    assert scene.press(f"/schedules/{made}/skip-next").status_code == 409
