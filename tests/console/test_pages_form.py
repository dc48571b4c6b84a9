"""What is wrong in a form is said in a person's words: beside its field, at the top, and where the focus is."""

import html
import re
from collections.abc import Iterator

import pytest

from console.pages.labels import LABELS
from tests.console.test_pages import text_of
from tests.console.test_pages_scene import Scene, scene_on

USUAL = {"kind": "scheduled", "cron": "30 9 * * *", "timezone": "UTC", "name": "digest"}
COMMAND = {"target.kind": "command", "command.argv": "true", "command.adapter": "generic"}
HTTP = {"target.kind": "http", "http.url": "https://example.com/", "http.method": "POST"}
A2A = {"target.kind": "a2a", "a2a.url": "https://example.com/"}
PYTHON = {"target.kind": "python", "python.callable": "agents.daily:report"}
CELERY = {"target.kind": "celery", "celery.task": "report", "celery.broker_url": "BROKER", "celery.queue": "a"}
NO_NUMBER = "Needs a whole number, for example 3."
# What is typed, over the usual: the field that is wrong, the value, and what is said beside it.
WRONG: list[tuple[dict[str, str], str, str, str]] = [
    (COMMAND, "name", "", "Name is required."),
    (COMMAND, "name", "a\x1bb", "Has control, direction or invisible characters: take them out."),
    (COMMAND, "workspace_id", "x", "Needs an id"),
    (COMMAND, "workspace_id", "", "Workspace is required."),
    (COMMAND, "kind", "never", "Takes 'scheduled', 'heartbeat' or 'once'."),
    (COMMAND, "cron", "", "Cron is required: five fields, for example 30 9 * * mon-fri."),
    (COMMAND, "cron", "61 9 * * *", "The minute field"),
    (COMMAND, "cron", "TZ=UTC 0 9 * * *", "write it into “Time zone”"),
    ({**COMMAND, "kind": "once"}, "run_at", "", "At is required for what runs once: give its moment."),
    ({**COMMAND, "kind": "once"}, "run_at", "2001-01-01T00:00", "This has passed"),
    ({**COMMAND, "kind": "once"}, "run_at", "soon", "Is no moment"),
    (COMMAND, "timezone", "GMT+2", "Etc/GMT-2"),
    (COMMAND, "overlap", "never", "Takes 'skip', 'queue_one', 'queue_all', 'replace' or 'allow'."),
    (COMMAND, "missed", "most", "Takes 'latest', 'all' or 'none'."),
    (COMMAND, "missed", "all", "“Run all” goes only with “queue all” or “run both” while one of it still runs."),
    ({}, "target.kind", "shell", "Knows no kind shell"),
    (COMMAND, "command.argv", "", "Command line is required."),
    (COMMAND, "command.argv", "'open", "This is not a command line: close its quotes"),
    (COMMAND, "command.argv", "true " + "x" * 140_000, "Argument 2: an argument takes at most 128 KiB"),
    (COMMAND, "command.adapter", "mine", "Takes 'generic', 'claude-code' or 'codex'."),
    (COMMAND, "command.cwd", "../x", "Needs a folder's full path, without .., for example /srv/agent."),
    (COMMAND, "command.env", '{"A": 5}', "A: needs a text."),
    (COMMAND, "command.env", "{", "This is not JSON"),
    (HTTP, "http.url", "", "Address is required."),
    (HTTP, "http.url", "http://127.0.0.1/", "127.0.0.1 is no public address"),
    (HTTP, "http.method", "BREW", "Takes 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'."),
    (HTTP, "http.prompt_field", "x" * 300, "Takes at most"),
    (HTTP, "http.timeout_s", "0", "Takes 1 or more, not 0."),
    (HTTP, "http.headers", '{"a b": "c"}', "a b: a header's name has letters, digits and - only."),
    (HTTP, "http.body", "[1]", "Needs an object"),
    (A2A, "a2a.url", "", "Address of the agent is required."),
    (A2A, "a2a.card_path", "a b", "Must look like"),
    (A2A, "a2a.headers", "[1]", "Needs an object"),
    (PYTHON, "python.callable", "../x", "Needs a callable's path, for example agents.daily:report."),
    (PYTHON, "python.cwd", "x", "Needs a folder's full path"),
    (PYTHON, "python.kwargs", "[1]", "Needs an object"),
    (PYTHON, "python.env", "5", "Needs an object"),
    (CELERY, "celery.task", "", "Task is required."),
    (CELERY, "celery.queue", "x" * 300, "Takes at most"),
    (CELERY, "celery.broker_url", "", "Variable of the broker's address is required."),
    (CELERY, "celery.result_backend", "A B", "$env: a variable's name has letters, digits and _ only."),
    (CELERY, "celery.prompt_argument", "x" * 300, "Takes at most"),
    (CELERY, "celery.args", '{"a": 1}', "Needs a list"),
    (CELERY, "celery.kwargs", "[1]", "Needs an object"),
    (COMMAND, "prompt", "€" * 100_000, "Takes at most 256 KiB"),
    (COMMAND, "max_turns", "0", "Takes 1 or more, not 0."),
    (COMMAND, "max_turns", "many", NO_NUMBER),
    (COMMAND, "max_run_seconds", "1.5", NO_NUMBER),
    (COMMAND, "max_attempts", "21", "Takes 20 or less, not 21."),
    (COMMAND, "priority", "-1", "Takes 0 or more, not -1."),
    (COMMAND, "lane", "x" * 101, "Takes 1 to 100 characters, not 101."),
    (COMMAND, "retry_backoff_s", "x", NO_NUMBER),
    (COMMAND, "jitter_s", "86401", "Takes 86400 or less, not 86401."),
    (COMMAND, "start_deadline_s", "٣", NO_NUMBER),
    (COMMAND, "start_at", "2001-01-01T00:00", "This has passed: leave it out to start now."),
    (COMMAND, "end_at", "2001-01-01T00:00", "No occurrence is left before this: choose a later moment."),
    ({**COMMAND, "start_at": "2999-01-02T00:00"}, "end_at", "2999-01-01T00:00", "This must be later than “Not before”"),
    (COMMAND, "remaining_runs", "0", "Takes 1 or more, not 0."),
    (COMMAND, "daily_turn_budget", "0", "Takes 1 or more, not 0."),
    (COMMAND, "budget_turns", "0", "Takes 1 or more, not 0."),
    (COMMAND, "budget_tokens", "0", "Takes 1 or more, not 0."),
    (COMMAND, "budget_micros", "0", "Takes 1 or more, not 0."),
    (COMMAND, "alert_after_s", "0", "Takes 1 or more, not 0."),
    (COMMAND, "check.pattern", "(", "Is no regular expression"),
    ({**COMMAND, "check.argv": "true"}, "check.pattern", "x", "Give a success pattern or a success command, not both."),
    (COMMAND, "check.argv", "'open", "This is not a command line: close its quotes"),
]  # fmt: skip
OF_WORKSPACES = ("status", "cap", "health_url", "restart_url", "wake_url", "restart_command", "native_scheduler")


@pytest.fixture
def scene(database_url: str, redis_url: str) -> Iterator[Scene]:
    with scene_on(database_url, redis_url) as made:
        yield made


def test_each_field_of_a_schedules_form_says_what_is_wrong_in_its_own_words(scene: Scene):
    lab = str(scene.workspace())

    wrong: list[tuple[str, str]] = []
    for kind, name, value, says in WRONG:
        typed = {"workspace_id": lab, **USUAL, **kind, name: value}
        answer = scene.press("/schedules/new", headers=None, **typed)
        said = said_beside(answer.text, name)
        if answer.status_code != 422 or says not in said or re.search(r"[a-z]_[a-z]+ (?!or)|target\.", said):
            wrong.append((name, said))

    assert wrong == []
    assert {name for _, name, _, _ in WRONG} == set(LABELS) - set(OF_WORKSPACES)
    assert scene.sql.execute("select count(*) from schedules").fetchone() == (0,)


def test_what_is_wrong_stands_at_the_top_with_a_way_to_its_field_and_the_first_has_the_focus(scene: Scene):
    lab = str(scene.workspace())
    typed = {**USUAL, **COMMAND, "command.argv": "", "max_turns": "many", "workspace_id": lab}

    page = scene.press("/schedules/new", headers=None, **typed).text

    top = page[page.index('id="wrong"') : page.index("</ul>")]
    assert re.findall('<a href="#([^"]+)">([^<]+)</a>', top) == [
        ("command-argv", "Command line is required."),
        ("max_turns", "Max agent steps"),
    ]
    assert text_of(page).index("Not saved yet: Command line is required. Max agent steps : Needs a whole number") > 0
    assert re.findall(r'<(?:input|textarea|select) id="([^"]+)"[^>]*autofocus', page) == ["command-argv"]
    assert 'id="command-argv"' in page
    preview = scene.press("/schedules/preview", headers=None, **{**typed, "max_run_seconds": "soon"}).text
    assert NO_NUMBER in text_of(preview, "preview")


def test_a_workspaces_form_does_so_too(scene: Scene):
    lab = scene.workspace()

    for name, value, says in (
        ("name", "", "Takes 1 to 200 characters, not 0."),
        ("status", "fine", "Takes 'provisioning'"),
        ("cap", "-1", "Needs a whole number"),
        ("cap", "99999", "Takes 10000 or less, not 99999."),
        ("health_url", "ftp://x", "Is no address"),
        ("restart_url", "x", "Is no address"),
        ("wake_url", "x", "Is no address"),
        ("restart_command", "''", "The first argument is the program"),
        ("restart_command", "a " + "x" * 140_000, "Argument 2: an argument takes at most"),
    ):
        typed = {"name": "lab", "status": "online", name: value}
        page = scene.press(f"/workspaces/{lab}", headers=None, **typed).text
        assert says in said_beside(page, name), (name, said_beside(page, name))
        assert f'<a href="#{name}">{LABELS[name]}</a>' in page
    assert scene.sql.execute("select status, health_url from workspaces").fetchall() == [("online", None)]
    assert scene.sql.execute("select key from limits").fetchall() == [("fleet",)]


def said_beside(page: str, name: str) -> str:
    found = re.search(rf'<span class="error" id="error-{name.replace(".", "-")}">(.*?)</span>', page, re.DOTALL)
    return html.unescape(found[1]) if found else "nothing"
