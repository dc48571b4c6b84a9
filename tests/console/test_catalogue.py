"""The catalogue of bad input, entry by entry: field, code and remedy, by the API, commands and files (SEC-4)."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from console.cli import root
from tests.console.catalogue import ACCEPTED, ELSEWHERE, NUMBERS, REFUSED, Entry
from tests.console.conftest import Api, form

ROOT = Path(__file__).resolve().parents[2]
JSON = {"Content-Type": "application/json"}


def one_of_each(entries: Iterable[Entry]) -> list[Entry]:
    """One for each field and code: how the other ways to the API say it does not depend on the value."""
    return list({(field, code): entry for entry in entries for _, field, _, code, _ in [entry]}.values())


# In a file a workspace is named, and what has no name is told by its place in the file.
IN_FILES = one_of_each(it for it in REFUSED if it[1] != "workspace_id" and (it[1] != "name" or isinstance(it[2], str)))
# On the command line a number is text, and a text cannot be a number.
TEXTS = {"cron", "timezone", "name", "lane", "prompt", "start_at", "end_at", "kind", "overlap", "missed", "crom"}
IN_WORDS = one_of_each(
    it
    for it in REFUSED
    if (it[1] in TEXTS) == isinstance(it[2], str) and isinstance(it[2], str | int | float) and it[1] != "success_check"
    if it[3] != "string_unicode" and it[1] != "workspace_id"
)


def test_what_cannot_be_is_refused_with_its_field_a_code_and_a_remedy(api: Api) -> None:
    workspace = api.workspace()

    asked = [(it, ask(api, workspace, it)) for it in REFUSED]

    assert [(entry, answer.status_code, answer.text) for entry, answer in asked if not is_refused(entry, answer)] == []
    assert len(asked) > 180
    assert api.rows("select count(*) from schedules") == [(0,)]


def is_refused(entry: Entry, answer: Any) -> bool:
    """Whether it is a problem that names the field, with that code and a sentence that says so."""
    _, field, _, code, says = entry
    problem = answer.json()
    if (answer.status_code, problem["error"], len(problem.get("errors", []))) != (422, "invalid", 1):
        return False
    [wrong] = problem["errors"]
    named = (wrong["field"].split(".")[0], wrong["code"]) == (field, code)
    kind, message = answer.headers["Content-Type"], wrong["message"]
    return named and kind == "application/problem+json" and says in message and message in problem["detail"]


def test_an_edit_is_refused_for_the_same_reasons_and_changes_nothing(api: Api) -> None:
    known = api.schedule(api.workspace())
    path = f"/api/schedules/{known['id']}"

    asked = [(it, send(api, "PATCH", path, {it[1]: it[2]})) for it in one_of_each(REFUSED)]

    assert [
        (entry[:2], answer.text)
        for entry, answer in asked
        if answer.json().get("errors", [{}])[0].get("code") != entry[3]
    ] == []
    assert api.get(path) == known


def test_a_file_is_refused_with_the_same_words_in_one_line(api: Api) -> None:
    workspace, env = api.workspace(), {"SLOTBEAT_URL": str(api.client.base_url)}

    wrong: list[Any] = []
    for entry in IN_FILES:
        exit_code, line = run(env, ["schedule", "apply", "-"], declared(entry))
        same = ask(api, workspace, entry).json()["detail"] in line and "Nothing was changed." in line
        if (exit_code, line.count("\n")) != (2, 1) or not same or not line.startswith("slotbeat: here/"):
            wrong.append((entry[1], str(entry[2])[:40], exit_code, line))

    assert wrong == []
    assert len(IN_FILES) > 60
    assert api.rows("select count(*) from schedules") == [(0,)]


def test_a_command_is_refused_in_one_line_that_says_what_it_takes(api: Api) -> None:
    api.workspace()
    env = {"SLOTBEAT_URL": str(api.client.base_url)}

    told = [(it, *run(env, words_of(it))) for it in IN_WORDS]

    assert [
        (field, str(value)[:40], exit_code, line)
        for (_, field, value, _, says), exit_code, line in told
        if (exit_code, line.count("\n"), line[:10]) != (2, 1, "slotbeat: ")
        or not (says in line or f"'--{field.replace('_', '-')}'" in line)
    ] == []
    assert len(told) > 40
    assert api.rows("select count(*) from schedules") == [(0,)]


def ask(api: Api, workspace: str, entry: Entry) -> Any:
    return send(api, "POST", "/api/schedules", form(workspace, **{entry[1]: entry[2]}))


def send(api: Api, method: str, path: str, body: dict[str, Any]) -> Any:
    # Escaped by us: a lone surrogate is nothing that a client would send as it is.
    return api.ask(method, path, content=json.dumps(body), headers=JSON)


def run(env: dict[str, str], words: list[str], stdin: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(root, words, env=env, input=stdin)
    return done.exit_code, done.stderr


def declared(entry: Entry) -> str:
    """A file with one schedule; JSON is YAML."""
    body = form("", **{entry[1]: entry[2]})
    del body["workspace_id"]
    return json.dumps({"schedules": [{"workspace": "here", **body}]})


def words_of(entry: Entry) -> list[str]:
    _, field, value, *_ = entry
    given = {"cron": "0 3 * * *", **({} if field == "name" else {field.replace("_", "-"): value})}
    name = value if field == "name" else "nightly"
    return ["schedule", "add", "-w", "here", *(f"--{it}={told}" for it, told in given.items()), "--", name, "true"]


def test_what_looks_strange_but_can_be_is_kept_and_said(api: Api) -> None:
    workspace = api.workspace()

    for at, (number, over, kept) in enumerate(ACCEPTED):
        answer = api.ask("POST", "/api/schedules", json=form(workspace, **{"name": f"s{at}", **over}))
        assert answer.status_code == 201, (number, over, answer.text)
        saved, notes = answer.json()["schedule"], [it["type"] for it in answer.json()["warnings"]]
        if isinstance(kept, str):
            assert notes == [kept], number
        for field, value in (kept if isinstance(kept, dict) else {} if "target" in over else over).items():
            assert saved[field] == value, number
    assert api.rows("select count(*) from schedules") == [(len(ACCEPTED),)]


def test_every_number_of_the_catalogue_is_tried() -> None:
    tried = {it[0] for it in REFUSED} | {it[0] for it in ACCEPTED}
    places = [test.partition("::") for _, test in ELSEWHERE.values()]

    assert sorted(NUMBERS - tried - set(ELSEWHERE)) == []
    assert sorted((tried | set(ELSEWHERE)) - NUMBERS) == []
    gone = [
        name
        for file, _, name in places
        if not re.search(rf"^def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert gone == []
