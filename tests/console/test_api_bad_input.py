"""Bad input: every entry is refused with the field, a code and a remedy, and leaves no row behind (SEC-4)."""

from contextlib import suppress
from typing import Any

from httpx import TransportError

from tests.console.conftest import SLEEPS, Api, form

TOGETHER: list[tuple[dict[str, Any], str]] = [
    ({"kind": "once"}, "run_at"),
    ({"kind": "once", "run_at": "2999-01-01T00:00:00Z"}, "cron"),
    ({"kind": "once", "cron": None, "run_at": "2001-01-01T00:00:00Z"}, "run_at"),
    ({"start_at": "2999-01-02T00:00:00Z", "end_at": "2999-01-01T00:00:00Z"}, "end_at"),
    ({"cron": "0 0 29 2 *", "end_at": "2027-01-01T00:00:00Z"}, "end_at"),
    ({"missed": "all", "overlap": "replace"}, "missed"),
    ({"crom": "* * * * *"}, "crom"),
]


def test_values_that_do_not_go_together_are_refused(api: Api) -> None:
    workspace = api.workspace()

    for together, field in TOGETHER:
        answer = api.ask("POST", "/api/schedules", json=form(workspace, **together))
        assert names(answer, field), (together, answer.text)
    assert api.rows("select count(*) from schedules") == [(0,)]


BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "body_missing"),
    (b"{", 400, "not_json"),
    (b"[]", 400, "not_an_object"),
    (b"null", 400, "not_an_object"),
    (b'"text"', 400, "not_an_object"),
    (b'{"name": "\xff\xfe"}', 400, "not_utf8"),
    (b'{"name": "\x80"}', 400, "not_utf8"),
    (b'{"priority": NaN}', 400, "not_json"),
    (b'{"priority": Infinity}', 400, "not_json"),
    (b'{"priority": -Infinity}', 400, "not_json"),
    (b'{"priority": 1e400}', 422, "invalid"),
    (b'{"priority": ' + b"9" * 5000 + b"}", 422, "invalid"),
    (b'{"name": "a", "name": "b"}', 400, "not_json"),
    (b"[" * 100_000 + b"]" * 100_000, 400, "too_deep"),
    (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", 400, "too_deep"),
    (b'{"prompt": "' + b"x" * 1_100_000 + b'"}', 413, "too_large"),
    (b"\xef\xbb\xbf{}", 400, "not_json"),
]


def test_a_body_that_is_none_is_refused_before_it_is_used(api: Api) -> None:
    for body, status, error in BODIES:
        answer = api.ask("POST", "/api/schedules", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (status, error), (body[:40], answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_without_an_announced_length_is_not_read_to_its_end(api: Api) -> None:
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while sent < 300_000_000:
            sent += 65_536
            yield b" " * 65_536

    # It may close before it is asked for its answer.
    with suppress(TransportError):
        answer = api.ask("POST", "/api/schedules", content=endless(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413

    assert sent < 50_000_000


def test_only_json_is_taken(api: Api) -> None:
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]:
        answer = api.ask("POST", "/api/workspaces", content=b'{"name": "a"}', headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["error"]) == (415, "not_json"), content_type
    assert api.rows("select count(*) from workspaces") == [(0,)]


def test_a_prompt_that_cannot_be_stored_is_stored_as_it_can(api: Api) -> None:
    workspace = api.workspace()
    body = form(workspace)
    text = '{"prompt": "a\\u0000b\\ud800c", ' + f'"workspace_id": "{workspace}", "name": "n", "cron": "{body["cron"]}",'
    text += '"target": {"kind": "command", "argv": ["true"]}}'

    made = api.ask("POST", "/api/schedules", content=text, headers={"Content-Type": "application/json"})

    assert made.status_code == 201, made.text
    assert made.json()["schedule"]["prompt"] == "a\ufffdb\ufffdc"


def test_a_lone_surrogate_elsewhere_is_refused_and_never_an_error_of_ours(api: Api) -> None:
    for text in ['"\\ud800"', '"a\\u0000"', '{"\\ud800": 1}', '["\\ud800"]']:
        for field in ("name", "cron", "timezone", "lane", "kind", "\\ud800"):
            body = f'{{"{field}": {text}}}'
            answer = api.ask("POST", "/api/schedules", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, (field, answer.text)


def test_ids_queries_and_keys_that_are_none_are_refused(api: Api) -> None:
    strange = ["x", "-1", str(2**63), "1;drop", "%00", "..%2F1"]
    gone = "01890000-0000-7000-8000-000000000000"

    for path in ("schedules", "firings", "workspaces"):
        for it in strange:
            assert api.ask("GET", f"/api/{path}/{it}").status_code in (404, 422), (path, it)
        assert api.ask("GET", f"/api/{path}/{gone}").json()["error"] == "not_found"
        for query in ("limit=0", "limit=201", "limit=x", "cursor=x", "cursor=eA", "nonsense=1", "cursor=%00"):
            answer = api.ask("GET", f"/api/{path}?{query}")
            assert (answer.status_code, answer.json()["error"]) == (422, "invalid"), (path, query)
    for query in ("status=done", "reason=x", "since=2026-01-01T00:00:00", "schedule=x"):
        assert api.ask("GET", f"/api/firings?{query}").status_code == 422, query
    for path in (f"schedules/{gone}/execute", f"firings/{gone}/cancel", f"firings/{gone}/rerun"):
        assert api.ask("POST", f"/api/{path}").status_code == 404, path
    assert api.ask("GET", f"/api/firings/{gone}/events").status_code == 404
    assert api.ask("POST", f"/api/schedules/{gone}/execute?force=maybe").status_code == 422
    assert api.ask("POST", f"/api/schedules/{gone}/execute?forced=true").status_code == 422


def test_a_cap_that_is_no_number_of_slots_is_refused(api: Api) -> None:
    before = api.get("/api/limits")

    for cap in [True, 2.5, "2", -1, 10_001, 10**9, 2**31, 2**63, None, "٣"]:
        assert names(api.ask("PUT", "/api/limits/fleet", json={"cap": cap}), "cap"), cap
        assert api.ask("PUT", "/api/settings/max_concurrent", json={"value": cap}).status_code == 422, cap
    told = api.ask("PUT", "/api/settings/max_turns", json={"value": "2"}).json()["detail"]
    assert told == "max_turns takes a value like 7, as JSON has it: a number or true without quotes."
    assert api.get("/api/limits") == before


def test_a_limit_that_is_none_is_refused(api: Api) -> None:
    gone = "workspace:01890000-0000-7000-8000-000000000000"

    told = [
        api.ask("PUT", f"/api/limits/{key}", json={"cap": 1}).status_code
        for key in ("fleets", "lane:", "lane:" + "x" * 101, "lane:a%0Ab", "workspace:x", gone)
    ]

    assert told == [422, 422, 422, 404, 422, 404]
    assert api.ask("DELETE", "/api/limits/fleet").status_code == 409
    assert api.ask("DELETE", "/api/limits/lane:none").status_code == 404


WORKSPACES: list[dict[str, Any]] = [
    {"name": "a\nb"}, {"name": ""}, {"status": "removed"}, {"status": "fine"}, {"native_scheduler": "yes"},
    {"native_scheduler": 1}, {"health_url": "ftp://x"}, {"health_url": "http://"}, {"health_url": "http://a b"},
    {"health_url": "http://u:p@host/"}, {"health_url": "http://127.0.0.1\\@example.com/"},
    {"restart_url": "javascript:alert(1)"}, {"health_url": "http://host:99999/"}, {"cap": -1}, {"cap": True},
    {"owner": "x"},
]  # fmt: skip


def test_a_workspace_that_cannot_be_is_refused(api: Api) -> None:
    for over in WORKSPACES:
        answer = api.ask("POST", "/api/workspaces", json={"name": "lab", **over})
        assert names(answer, next(iter(over))), (over, answer.text)
    assert api.rows("select count(*) from workspaces") == [(0,)]


def test_an_ad_hoc_firing_that_cannot_be_is_refused(api: Api) -> None:
    workspace = api.workspace()

    for over in ({"target": {}}, {"max_turns": 0}, {"lane": "a\nb"}, {"title": "\x1b"}, {"prompt": 5}, {"cron": "x"}):
        answer = api.ask("POST", "/api/firings", json={"workspace_id": workspace, "target": SLEEPS, **over})
        assert names(answer, next(iter(over))), answer.text
    assert api.rows("select count(*) from firings") == [(0,)]


def names(answer: Any, field: str) -> bool:
    """Whether it is a 422 that names the field, with a code and a sentence."""
    if answer.status_code != 422 or answer.headers["Content-Type"] != "application/problem+json":
        return False
    wrong = answer.json().get("errors", [])
    return any(it["field"].split(".")[0] == field and it["code"] and it["message"] for it in wrong)
