"""Workspaces through the API and the command line: hooks, health, restarts, what agents say of themselves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from console.deeds import restarts as deeds
from shared.store import restarts
from shared.store.connection import connect
from tests.console.conftest import Api
from tests.console.test_cli import Cli
from tests.receiver import receiving
from tests.waiting import until


@pytest.fixture
def cli(api: Api, tmp_path: Path) -> Cli:
    return Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))


@contextmanager
def worker(api: Api, outcome: str, error: str | None = None) -> Iterator[None]:
    """Begins and ends a restart as a worker does, once more it has been asked for."""
    asked = "select workspace_id from activity_logs where type = 'workspace_restart_asked'"
    before = len(api.rows(asked))

    def work() -> None:
        until(lambda: len(api.rows(asked)) > before, 20)
        with connect(api.database_url) as connection:
            begun = restarts.begin(connection, api.rows(asked)[0][0], "w", timedelta(seconds=60))
            assert begun is not None
            restarts.end(connection, begun, restarts.End(outcome, error, 1200))

    thread = threading.Thread(target=work, name="worker under test")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def restart(api: Api, workspace: str, **query: Any) -> tuple[int, dict[str, Any]]:
    answer = api.ask("POST", f"/api/workspaces/{workspace}/restart", params=query)
    return answer.status_code, answer.json()


def test_a_restart_is_asked_for_followed_and_waited_for(api: Api) -> None:
    workspace = api.workspace(restart_command=["true"])

    asked = [restart(api, workspace) for _ in range(3)]

    assert [code for code, _ in asked] == [202] * 3
    assert {told["number"] for _, told in asked} == {1}
    assert asked[0][1]["state"] == "waiting"
    with worker(api, "ok"):
        code, told = restart(api, workspace, wait="true")
    assert (code, told["state"], told["outcome"], told["duration_ms"]) == (200, "ended", "ok", 1200)
    assert api.get(f"/api/workspaces/{workspace}/restart")["outcome"] == "ok"
    assert restart(api, workspace)[1] == {
        "number": 2, "state": "waiting", "outcome": None, "error": None, "duration_ms": None
    }  # fmt: skip
    asked_for = "select count(*) from activity_logs where type = 'workspace_restart_asked'"
    assert api.rows(asked_for) == [(5,)]


def test_a_restart_that_cannot_be_is_refused_and_one_that_never_began_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, gone = api.workspace("bare"), api.workspace("gone", restart_url="http://127.0.0.1:9/")
    api.schedule(gone)
    api.ask("DELETE", f"/api/workspaces/{gone}")
    monkeypatch.setattr(deeds, "BEGINS_WITHIN_S", 0.0)

    told = restart(api, bare)
    assert (told[0], told[1]["error"]) == (409, "no_restart_hook")
    assert restart(api, gone)[1]["error"] == "workspace_removed"
    assert restart(api, str(UUID(int=1)))[0] == 404
    assert restart(api, bare, wait="perhaps")[0] == 422
    assert restart(api, bare, pause="1")[0] == 422
    assert api.rows("select count(*) from restarts") == [(0,)]

    api.ask("PATCH", f"/api/workspaces/{bare}", json={"restart_command": ["true"]})
    code, never = restart(api, bare, wait="true")
    assert (code, never["error"], never["number"]) == (504, "restart_never_began", 1)
    assert "no worker took it" in never["detail"]


def test_nobody_waits_for_a_restart_whose_process_is_gone(api: Api) -> None:
    workspace = api.workspace(restart_command=["true"])
    restart(api, workspace)
    with connect(api.database_url) as connection:
        restarts.begin(connection, UUID(workspace), "gone", timedelta(seconds=-1))

    path = f"/api/workspaces/{workspace}/restart"

    assert api.ask("GET", path, params={"number": 1}).json()["state"] == "lost"
    assert api.ask("GET", path, params={"number": 2}).json()["state"] == "waiting"


def test_health_is_what_a_preflight_would_find(api: Api) -> None:
    with receiving() as receiver:
        url = f"{receiver.address}/health?key=secret"
        workspaces = [
            api.workspace("fit", health_url=url),
            api.workspace("unknown"),
            api.workspace("x", status="failed"),
        ]
        found = [api.get(f"/api/workspaces/{it}/health") for it in workspaces]
        receiver.answer = 500
        found.append(api.get(f"/api/workspaces/{workspaces[0]}/health"))

    assert [it["verdict"] for it in found] == ["fit", "unknown", "dead", "dead"]
    assert (found[0]["asked"], found[0]["http_status"]) == (f"{receiver.address}/health", 200)
    assert api.ask("GET", f"/api/workspaces/{UUID(int=1)}/health").status_code == 404


def test_some_fields_are_edited_and_the_others_stay(api: Api) -> None:
    lab = api.workspace("lab", cap=3, restart_command=["systemctl", "restart", "lab"], wake_url="https://a.example/")

    def patch(**body: Any) -> dict[str, Any]:
        answer = api.ask("PATCH", f"/api/workspaces/{lab}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    after = patch(status="degraded")
    assert (after["status"], after["cap"], after["name"]) == ("degraded", 3, "lab")
    assert after["restart_command"] == ["systemctl", "restart", "lab"]
    assert patch(cap=None, restart_command=None)["cap"] is None
    told = patch(active_tasks=2, current_task="reading")
    assert (told["active_tasks"], told["current_task"], told["status"]) == (2, "reading", "degraded")
    assert told["last_activity_at"] is not None
    assert patch()["wake_url"] == "https://a.example/"
    # What an agent says of itself every few seconds is no edit.
    assert api.rows("select count(*) from activity_logs where type = 'workspace_edited'") == [(2,)]
    for wrong in ({"active_tasks": -1}, {"active_tasks": True}, {"current_task": "a\nb"}, {"restart_command": []},
                  {"restart_command": ["a\0"]}, {"wake_url": "file:///x"}, {"last_activity_at": "2026-01-01"},
                  {"name": None}, {"status": "removed"}, {"cap": -1}):  # fmt: skip
        assert api.ask("PATCH", f"/api/workspaces/{lab}", json=wrong).status_code == 422, wrong


def test_a_removed_workspace_is_not_edited_back(api: Api) -> None:
    lab = api.workspace("lab")
    api.schedule(lab)
    api.ask("DELETE", f"/api/workspaces/{lab}")

    answer = api.ask("PATCH", f"/api/workspaces/{lab}", json={"status": "online"})

    assert (answer.status_code, answer.json()["error"]) == (409, "workspace_removed")


def test_nothing_is_set_for_a_workspace_that_was_removed(api: Api) -> None:
    """Its limit would be listed, and counted, for good."""
    lab = api.workspace("lab", cap=2)
    api.schedule(lab)
    api.ask("DELETE", f"/api/workspaces/{lab}")
    before = api.get("/api/limits")["items"]

    cap = api.ask("PUT", f"/api/limits/workspace:{lab}", json={"cap": 1})
    budget = api.ask("PUT", f"/api/budgets/workspace:{lab}", json={"turns": 5})

    assert [(it.status_code, it.json()["error"]) for it in (cap, budget)] == [(409, "workspace_removed")] * 2
    assert [it["key"] for it in before] == ["fleet"]
    assert (api.get("/api/limits")["items"], api.get("/api/budgets")["items"]) == (before, [])


def test_a_removed_workspace_leaves_its_name_to_another(api: Api, cli: Cli) -> None:
    gone = api.workspace("lab")
    api.schedule(gone)
    api.ask("DELETE", f"/api/workspaces/{gone}")

    again = api.workspace("lab")
    refused = api.ask("POST", "/api/workspaces", json={"name": "lab"})
    api.schedule(again)
    api.ask("DELETE", f"/api/workspaces/{again}")
    other = api.workspace("other")
    renamed = api.ask("PATCH", f"/api/workspaces/{other}", json={"name": "lab"})

    assert (refused.json()["error"], refused.json()["existing_id"]) == ("name_taken", again)
    assert renamed.status_code == 200
    assert cli.json("workspace", "show", "lab")["id"] == other


def test_the_command_line_pauses_resumes_restarts_and_asks(api: Api, cli: Cli) -> None:
    cli("workspace", "add", "lab", "--restart-command", "echo 'two words'", "--wake-url", "http://127.0.0.1:9/")
    known = cli.json("workspace", "show", "lab")
    assert known["restart_command"] == ["echo", "two words"]

    assert cli("workspace", "pause", "lab").stdout == "lab is paused\n"
    assert cli("workspace", "resume", "lab").stdout == "lab is online\n"
    assert cli("workspace", "restart", "lab").stdout == "lab: restart 1 is asked for\n"
    with worker(api, "failed", "exit code 3: no"):
        told = cli("workspace", "restart", "lab", "--wait", exits=1)
    assert told.stdout == "lab: the restart failed: exit code 3: no\n"
    with worker(api, "ok"):
        assert cli("workspace", "restart", "lab", "--wait").stdout == "lab was restarted in 1.2 s\n"
    assert cli("workspace", "health", "lab").stdout.startswith("lab is unknown: ")
    cli("workspace", "edit", "lab", "--health-url", "http://127.0.0.1:9/", "--clear", "restart-command")
    assert "nobody listens there" in cli("workspace", "health", "lab", exits=1).stdout
    assert "no restart hook" in cli("workspace", "restart", "lab", exits=4).stderr
    cli("workspace", "edit", "lab", "--restart-command", "unfinished 'quote", exits=2)


def test_of_two_who_edit_a_workspace_the_second_is_told(api: Api) -> None:
    lab = f"/api/workspaces/{api.workspace('lab')}"
    read = api.ask("GET", lab).headers["ETag"]

    assert api.ask("PATCH", lab, json={"active_tasks": 3}, headers={"If-Match": read}).status_code == 200
    first = api.ask("PATCH", lab, json={"cap": 3}, headers={"If-Match": read})
    second = api.ask("PUT", lab, json={"name": "mine"}, headers={"If-Match": read})

    assert first.status_code == 200
    assert (second.status_code, second.json()["error"]) == (412, "stale_revision")
    assert api.get(lab)["name"] == "lab"
    for tag in (first.headers["ETag"], "*", f'"other", {first.headers["ETag"]}'):
        assert api.ask("PATCH", lab, json={"status": "online"}, headers={"If-Match": tag}).status_code == 200, tag
    for tag in ("W/" + first.headers["ETag"], '""', "x"):
        assert api.ask("PATCH", lab, json={"status": "online"}, headers={"If-Match": tag}).status_code == 412, tag
