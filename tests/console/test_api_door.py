"""Who may come in: loopback names, our own origins, JSON; and what the API tells about itself."""

import socket

import pytest

from console.api import door
from tests.console.conftest import Api


def test_a_name_that_was_rebound_to_this_machine_is_refused(api: Api) -> None:
    port = api.client.base_url.port
    ours = (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", f"[::1]:{port}", "127.1.2.3")
    evil = (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "a b",
    )

    assert {api.ask("GET", "/api/settings", headers={"Host": it}).status_code for it in ours} == {200}
    for host in evil:
        told = api.ask("GET", "/api/settings", headers={"Host": host})
        assert (told.status_code, told.json()["error"]) == (421, "foreign_host"), host
    assert api.ask("GET", "/healthz", headers={"Host": "evil.example"}).status_code == 421


def test_a_second_host_header_is_no_way_around(api: Api) -> None:
    with socket.create_connection(("127.0.0.1", api.client.base_url.port or 0), 5) as line:
        line.sendall(b"GET /api/settings HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        told = line.recv(4096)

    assert told.split(b" ")[1] in (b"400", b"421")


def test_another_sites_page_changes_nothing(api: Api) -> None:
    own = str(api.client.base_url).rstrip("/")
    body = {"name": "lab"}

    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": own.replace("127.0.0.1", "localhost")},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": own},
    ):
        told = api.ask("POST", "/api/workspaces", json=body, headers=headers)
        assert (told.status_code, told.json()["error"]) == (403, "foreign_origin"), headers
    assert api.rows("select count(*) from workspaces") == [(0,)]
    told = api.ask("POST", "/api/workspaces", json=body, headers={"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert told.status_code == 201


def test_an_address_or_method_that_is_none_is_a_problem_too(api: Api) -> None:
    missing, method = api.ask("GET", "/api/nothing"), api.ask("DELETE", "/api/schedules")

    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")
    assert (method.status_code, method.json()["error"]) == (405, "method_not_allowed")
    assert {it.headers["Content-Type"] for it in (missing, method)} == {"application/problem+json"}


def test_the_documentation_loads_nothing_from_elsewhere(api: Api) -> None:
    page = api.ask("GET", "/api/docs")
    described = api.get("/api/openapi.json")

    assert page.status_code == 200
    assert "//" not in page.text.replace("<!doctype", "")
    assert "/api/schedules/{schedule_id}/execute" in page.text
    assert described["openapi"].startswith("3.1")
    named = [it["operationId"] for methods in described["paths"].values() for it in methods.values()]
    assert len(named) == len(set(named)) > 25
    assert "cron" in described["components"]["schemas"]["ScheduleForm"]["properties"]


def test_a_workspace_is_edited_and_what_waits_in_it_follows(api: Api) -> None:
    lab, other = api.workspace("lab"), api.workspace("other")
    api.fill(other)
    schedule = api.schedule(lab)
    api.ask("POST", f"/api/schedules/{schedule['id']}/execute", params={"queue": 1})

    def put(**over: object) -> int:
        return api.ask("PUT", f"/api/workspaces/{lab}", json={"name": "lab", **over}).status_code

    assert put(status="offline", cap=3) == 200
    assert api.get("/api/slots")["gate"]["waiting"] == 0
    assert api.get(f"/api/workspaces/{lab}")["cap"] == 3
    assert put(status="online") == 200
    assert api.get("/api/slots")["gate"]["waiting"] == 1
    assert api.get(f"/api/workspaces/{lab}")["cap"] is None
    assert put(name="other") == 409


def test_a_workspace_that_goes_takes_along_what_is_in_it(api: Api) -> None:
    lab, empty = api.workspace("lab"), api.workspace("empty")
    schedule = api.schedule(lab)
    waiting = api.fill(lab)

    removed = [api.ask("DELETE", f"/api/workspaces/{it}").status_code for it in (lab, empty, lab)]

    assert removed == [204, 204, 204]
    assert api.ask("GET", f"/api/workspaces/{empty}").status_code == 404
    assert api.get(f"/api/workspaces/{lab}")["status"] == "removed"
    assert api.get(f"/api/schedules/{schedule['id']}")["status"] == "archived"
    assert {api.get(f"/api/firings/{it}")["status"] for it in waiting} == {"cancelled"}
    assert api.get("/api/slots")["gate"]["reserved"] == 0
    audited = api.rows("select count(*) from activity_logs where type = 'firing_cancelled'")
    assert audited == [(2,)]


def test_a_setting_is_shown_with_its_source_and_written_where_it_counts(api: Api) -> None:
    """CFG-2."""
    before = api.get("/api/settings/dead_ticks")

    api.ask("PUT", "/api/settings/dead_ticks", json={"value": 4})
    api.ask("PUT", "/api/settings/max_concurrent", json={"value": 7})

    assert (before["value"], before["source"], before["variable"]) == (2, "default", "SLOTBEAT_DEAD_TICKS")
    after = api.get("/api/settings/dead_ticks")
    assert (after["value"], after["source"]) == (4, "table")
    assert api.rows("select cap from limits where key = 'fleet'") == [(7,)]
    assert api.get("/api/slots")["gate"]["limits"][0]["cap"] == 7
    assert api.get("/api/settings/max_concurrent")["value"] == 7
    for value in (True, "4", 1.5, 0, 101, None, [], float(10**12)):
        assert api.ask("PUT", "/api/settings/dead_ticks", json={"value": value}).status_code == 422, value
    assert api.ask("PUT", "/api/settings/alert_urls", json={"value": "a\u0000"}).status_code == 422
    assert api.ask("PUT", "/api/settings/max_turns", json={"value": None}).json()["value"] is None
    assert api.ask("GET", "/api/settings/nothing").status_code == 404


def test_headers_that_are_too_many_or_too_large_are_refused_and_the_server_stays(api: Api) -> None:
    for headers in ({"X-A": "a" * 40_000}, {f"X-{at}": "a" for at in range(200)}):
        told = api.ask("GET", "/api/settings", headers=headers)
        assert (told.status_code, told.json()["error"]) == (431, "headers_too_large")
    with socket.create_connection(("127.0.0.1", api.client.base_url.port or 0), 5) as line:
        line.sendall(b"GET /api/settings HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 200_000)
        assert line.recv(4096).split(b" ")[1] in (b"400", b"431")
    assert api.ask("GET", "/api/settings").status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_BODY_WITHIN_S", 0.2)
    head = b"POST /api/workspaces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

    with socket.create_connection(("127.0.0.1", api.client.base_url.port or 0), 20) as line:
        line.sendall(head + b"Content-Length: 9\r\n\r\n{")
        told = line.recv(4096)

    assert told.split(b" ")[1] == b"408"
    assert api.rows("select count(*) from workspaces") == [(0,)]


def test_what_a_caller_says_of_where_it_comes_from_changes_nothing(api: Api) -> None:
    for name in ("X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert api.ask("GET", "/api/settings", headers={name: "evil.example"}).status_code == 200
    told = api.ask("GET", "/api/settings", headers={"Host": "evil.example", "X-Forwarded-Host": "localhost"})
    assert told.status_code == 421


def test_the_fleets_cap_is_shown_as_it_stands_whatever_a_variable_asked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CFG-2: the variable is written where the cap stands, at a start; who writes there later wins."""
    monkeypatch.setenv("SLOTBEAT_MAX_CONCURRENT", "4")
    monkeypatch.setenv("SLOTBEAT_DEAD_TICKS", "3")

    told = [api.get("/api/settings/max_concurrent")]
    told += [api.ask("PUT", "/api/settings/max_concurrent", json={"value": cap}).json() for cap in (7, 4)]
    masked = api.ask("PUT", "/api/settings/dead_ticks", json={"value": 5}).json()

    assert [(it["value"], it["source"]) for it in told] == [(4, "environment"), (7, "table"), (4, "environment")]
    assert (masked["value"], masked["source"]) == (3, "environment")
