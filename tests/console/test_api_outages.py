"""Interactive streams (SCH-13) and classes of failures (STR-6) over HTTP and on the command line."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from console.cli import root
from tests.console.conftest import Api

KEY = "rate_limited@lane:claude/eu"
STREAMS = "/api/interactive-streams"


def tripped(api: Api, key: str = KEY) -> None:
    reason, _, place = key.partition("@")
    api.rows(
        "insert into failure_classes (key, reason, place, tripped_at, schedules) values (%s, %s, %s, now(), 3)"
        " returning key",
        key,
        reason,
        place,
    )


def test_a_stream_is_registered_renewed_listed_and_ended(api: Api) -> None:
    workspace = api.workspace()

    first = api.ask("PUT", f"{STREAMS}/chat-1")
    again = api.ask("PUT", f"{STREAMS}/chat-1", json={"ttl_s": 30, "workspace_id": workspace})

    assert first.json() == {"id": "chat-1", "workspace_id": None, "ttl_s": 60}
    assert again.json() == {"id": "chat-1", "workspace_id": workspace, "ttl_s": 30}
    [known] = api.get(STREAMS)["items"]
    assert (known["id"], known["workspace_id"], 0 < known["left_ms"] <= 30_000) == ("chat-1", workspace, True)

    assert [api.ask("DELETE", f"{STREAMS}/chat-1").status_code for _ in range(2)] == [204, 204]
    assert api.get(STREAMS)["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("chat", {"ttl_s": 0}, "ttl_s"),
        ("chat", {"ttl_s": 3601}, "ttl_s"),
        ("chat", {"ttl_s": True}, "ttl_s"),
        ("chat", {"ttl_s": 1.5}, "ttl_s"),
        ("chat", {"ttl": 60}, "ttl"),
        ("chat", {"workspace_id": "here"}, "workspace_id"),
        ("chat", {"workspace_id": str(uuid4())}, "workspace_id"),
        ("c%20hat", {}, "stream_id"),
        ("x" * 201, {}, "stream_id"),
    ],
)
def test_what_is_no_stream_is_refused_by_the_name_of_its_field(api: Api, path: str, body: Any, field: str) -> None:
    refused = api.ask("PUT", f"{STREAMS}/{path}", json=body)

    assert refused.status_code == 422, refused.text
    assert field in refused.text
    assert api.get(STREAMS)["items"] == []


def test_a_tripped_class_is_listed_and_closed_by_hand_once(api: Api) -> None:
    tripped(api)
    path = f"/api/failure-classes/{KEY}"

    [known] = api.get("/api/failure-classes", params={"tripped": True})["items"]
    assert (known["key"], known["schedules"], known["healed_at"]) == (KEY, 3, None)
    assert api.get(path)["place"] == "lane:claude/eu"

    released = api.ask("POST", f"{path}/release", headers={"Slotbeat-Actor": "ann"})
    again = api.ask("POST", f"{path}/release")

    assert (released.status_code, released.json()["healed_by"]) == (200, "ann")
    assert (again.status_code, again.json()["error"]) == (409, "class_not_tripped")
    assert api.ask("POST", "/api/failure-classes/oom@lane:x/release").status_code == 404
    assert api.rows("select actor, request_body from activity_logs where type = 'class_closed'") == [
        ("ann", {"key": KEY, "by": "hand"})
    ]
    assert api.get("/api/failure-classes", params={"tripped": True})["items"] == []


def told_of_slots(api: Api) -> str:
    return CliRunner().invoke(root, ["slots"], env={"SLOTBEAT_URL": str(api.client.base_url)}).output


def test_what_a_class_holds_is_seen_to_wait_for_it_and_goes_on_when_it_is_released(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace, lane="claude/eu")
    tripped(api)
    made = (
        "insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, lane, max_run_seconds)"
    )
    firing = api.rows(
        made + " values (gen_random_uuid(), %s, %s, 'scheduled', now(), 'nightly', '{}', 'claude/eu', 60) returning id",
        schedule["id"],
        workspace,
    )[0][0]
    startable = "select count(*) from startable"

    assert api.rows(startable) == [(0,)]
    assert api.get(f"/api/failure-classes/{KEY}")["waiting"] == 1
    [waiting] = api.get("/api/slots")["items"][0]["line"]
    assert (waiting["id"], waiting["held_by_class"]) == (str(firing), KEY)
    assert waiting["held_by"] == f"the outage {KEY}: one firing at a time tries whether it is over"
    used, _, waits = told_of_slots(api).partition("\n\n")
    assert re.search(r"IN LINE +HELD BACK\nfleet +2 +0 +0 +0 +1$", used)
    assert f"the outage {KEY}" in waits

    # A person's own run does not wait for it.
    assert api.ask("POST", f"/api/schedules/{schedule['id']}/execute").status_code == 200
    assert api.rows(startable) == [(1,)]

    api.ask("POST", f"/api/failure-classes/{KEY}/release")
    assert api.rows(startable) == [(2,)]
    used, _, waits = told_of_slots(api).partition("\n\n")
    assert waits.endswith("  a slot\n")
    assert api.app.state.admission.ask(lambda gate: gate.states([firing]))[0].state != ""


def test_streams_and_classes_on_the_command_line(api: Api) -> None:
    def told(*words: str, exits: int = 0) -> str:
        answer = CliRunner().invoke(root, words, env={"SLOTBEAT_URL": str(api.client.base_url)})
        assert answer.exit_code == exits, answer.output
        return answer.output

    workspace = api.workspace()
    tripped(api)

    assert told("stream", "hold", "chat", "--ttl", "30", "--workspace", "here") == "chat is active for 30 s\n"
    assert json.loads(told("stream", "list", "--json"))[0]["workspace_id"] == workspace
    assert "chat" in told("stream", "list")
    assert told("stream", "end", "chat") == "chat has ended\n"
    assert "No stream is active." in told("stream", "list")

    assert json.loads(told("failure-class", "list", "--json"))[0]["key"] == KEY
    assert "tripped" in told("failure-class", "list")
    assert told("failure-class", "release", KEY) == f"{KEY} is closed\n"
    assert "is not tripped" in told("failure-class", "release", KEY, exits=4)
    assert "No class of failures is tripped." in told("failure-class", "list", "--tripped")
    assert "There is no failure class" in told("failure-class", "release", "oom@x", exits=3)
