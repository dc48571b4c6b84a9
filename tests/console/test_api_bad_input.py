"""Bad input: every entry is refused with the field, a code and a remedy, and leaves no row behind (SEC-4)."""

from contextlib import suppress
from typing import Any

from httpx import TransportError

from tests.console.conftest import SLEEPS, Api, form

# A value of a schedule's field that cannot be, and the field that the answer names.
CRON = [
    "0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * * * * *", "* * * * * * *", "0 12 * * 1-5 2099",
    "R R * * *", "H H * * *", "H(0-29)/10 * * * *", "*/100000 * * * *", "*/60 * * * *", "*/" + "9" * 400 + " * * * *",
    "5L * * * *", "0 0 LW * *", "0 0 L-3 * *", "0 0 * * 5#6", "@reboot", "@every 5m", "60 * * * *", "* 24 * * *",
    "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "1-70 * * * *", "-1 * * * *", "*/0 * * * *",
    "* * * * */0", "", "   ", "*", "* * * *", "null", "None", "0,,5 * * * *", ",* * * * *", "0, * * * *",
    "1.5 * * * *", "1e1 * * * *", "+5 * * * *", "0x5 * * * *", "5_0 * * * *", "% * * * *", "0 0 * * MONDAY",
    "٣ * * * *", "５ * * * *", "\x00 * * * *", "TZ=Europe/Paris 0 0 * * *", "CRON_TZ=UTC 0 0 * * *",
    "0-59/1," * 5000 + "0 * * * *", "* * * * " + "1," * 100_000 + "1", "1" * 21 + " * * * *",
    "* * * * *; rm -rf /", "<script>", "' OR 1=1; --", None, 5, True, ["* * * * *"],
]  # fmt: skip
ZONES = [
    "GMT+2", "UTC+2", "+02:00", "Z", "local", "localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "",
    "  ", "\x00", "x" * 100_000, "Europe", "../../etc/passwd", None, 5,
]  # fmt: skip
FIELDS: list[tuple[str, Any]] = [
    *(("cron", it) for it in CRON),
    *(("timezone", it) for it in ZONES),
    ("name", "a\x00b"), ("name", "a\nb"), ("name", "a\x1b[31mb"), ("name", "a\u202eb"), ("name", "a\u200bb"),
    ("name", ""), ("name", "   "), ("name", "x" * 201), ("name", "😀" * 201), ("name", None), ("name", 5),
    ("prompt", None), ("prompt", 5), ("prompt", "x" * 262_145), ("prompt", "€" * 100_000),
    ("priority", -1), ("priority", 10), ("priority", True), ("priority", 2.5), ("priority", "5"), ("priority", None),
    ("max_turns", 0), ("max_turns", -1), ("max_turns", True), ("max_turns", 1_000_000), ("max_turns", "9"),
    ("max_run_seconds", 0), ("max_run_seconds", -5), ("max_run_seconds", 10**9), ("max_run_seconds", 1.5),
    ("max_attempts", 0), ("max_attempts", 21), ("max_attempts", None), ("retry_backoff_s", -1), ("jitter_s", 86_401),
    ("start_deadline_s", 0), ("remaining_runs", 0), ("remaining_runs", 2**31), ("budget_tokens", 2**63),
    ("budget_turns", 2**63), ("alert_after_s", 0), ("daily_turn_budget", 0), ("daily_turn_budget", "٣"),
    ("start_at", "2001-01-01T00:00:00Z"), ("start_at", "2999-01-01T00:00:00"), ("start_at", "2999-01-01"),
    ("start_at", "infinity"), ("start_at", "10000-01-01T00:00:00Z"), ("start_at", "9999-12-31T23:59:59-12:00"),
    ("start_at", "2999-02-30T00:00:00Z"), ("start_at", 5), ("start_at", True), ("start_at", "tomorrow"),
    ("end_at", "2001-01-01T00:00:00Z"), ("run_at", "2999-01-01T00:00:00Z"), ("kind", "cron"), ("kind", None),
    ("overlap", "never"), ("missed", "most"), ("missed", "all"), ("lane", ""), ("lane", "x" * 101), ("lane", "a\tb"),
    ("workspace_id", "../1"), ("workspace_id", -1), ("workspace_id", "1;drop"), ("workspace_id", None),
    ("workspace_id", "01890000-0000-7000-8000-000000000000"),
    ("success_check", {}), ("success_check", {"argv": ["true"], "pattern": "x"}), ("success_check", 5),
    ("success_check", {"pattern": "("}), ("success_check", {"pattern": ""}), ("success_check", {"pattern": "a\x00"}),
    ("success_check", {"pattern": "x" * 1001}), ("success_check", {"pattern": "a{99999999999999999999}"}),
    ("success_check", {"pattern": 5}), ("success_check", {"argv": []}), ("success_check", {"argv": "true"}),
    ("success_check", {"argv": [""]}), ("success_check", {"argv": ["true"], "shell": True}),
]  # fmt: skip
TARGETS: list[Any] = [
    None, 5, "echo", [], {}, {"kind": "command"}, {"kind": "shell", "argv": ["true"]}, {"kind": "command", "argv": []},
    {"kind": "command", "argv": "true"}, {"kind": "command", "argv": [""]}, {"kind": "command", "argv": [5]},
    {"kind": "command", "argv": ["a\x00b"]}, {"kind": "command", "argv": ["x" * 200_000]},
    {"kind": "command", "argv": ["true"], "cwd": "../x"}, {"kind": "command", "argv": ["true"], "cwd": "/a/../b"},
    {"kind": "command", "argv": ["true"], "env": {"A=B": "x"}}, {"kind": "command", "argv": ["true"], "env": {"A": 5}},
    {"kind": "command", "argv": ["true"], "shell": True}, {"kind": "command", "argv": ["true"], "adapter": "other"},
    {"kind": "command", "argv": ["true"], "env": {"A": {"$env": "A B"}}},
    {"kind": "command", "argv": ["true"], "env": {"A": {"$env": "A", "more": 1}}},
    {"kind": "command", "argv": [{"$env": "A"}]}, {"kind": "http"}, {"kind": "http", "url": 5},
    {"kind": "http", "url": "http://127.0.0.1/"}, {"kind": "http", "url": "http://2130706433/"},
    {"kind": "http", "url": "http://[64:ff9b::7f00:1]/"}, {"kind": "http", "url": "http://a:b@example.com/"},
    {"kind": "http", "url": "http://127.0.0.1\\@example.com/"}, {"kind": "http", "url": "file:///etc/passwd"},
    {"kind": "http", "url": "http://localhost/"}, {"kind": "http", "url": "http://example.com", "method": "BREW"},
    {"kind": "http", "url": "http://example.com", "headers": {"a b": "c"}},
    {"kind": "http", "url": "http://example.com", "headers": {"A": "b\r\nC: d"}},
    {"kind": "http", "url": "http://example.com", "headers": {"Host": "a"}},
    {"kind": "http", "url": "http://example.com", "headers": {"Slotbeat-Token": "9"}},
    {"kind": "http", "url": "http://example.com", "timeout_s": 0},
    {"kind": "http", "url": "http://example.com", "timeout_s": True},
    {"kind": "http", "url": "http://example.com", "body": [1]},
    {"kind": "a2a", "url": "ws://example.com"}, {"kind": "a2a", "url": "http://169.254.169.254/"},
    {"kind": "python", "callable": ""}, {"kind": "python", "callable": "os system"},
    {"kind": "python", "callable": "a.b", "kwargs": {"a": "\x00"}}, {"kind": "python", "callable": "../x"},
    {"kind": "celery", "task": "a"}, {"kind": "celery", "task": "a", "broker_url": "redis://:secret@host"},
    {"kind": "celery", "task": "", "broker_url": {"$env": "B"}},
    {"kind": "celery", "task": "a", "broker_url": {"$env": "B"}, "kwargs": {"key": {"$env": "C"}}},
]  # fmt: skip


def test_no_value_that_cannot_be_is_saved_and_each_answer_names_its_field(api: Api) -> None:
    workspace = api.workspace()
    entries = [*FIELDS, *(("target", it) for it in TARGETS)]

    wrong = [
        (field, str(value)[:40], answer.status_code, answer.text[:200])
        for field, value in entries
        for answer in [api.ask("POST", "/api/schedules", json=form(workspace, **{field: value}))]
        if not names(answer, field)
    ]

    assert len(entries) > 150
    assert wrong == []
    assert api.rows("select count(*) from schedules") == [(0,)]


def test_the_same_values_are_refused_in_an_edit_and_change_nothing(api: Api) -> None:
    schedule = api.schedule(api.workspace())
    path = f"/api/schedules/{schedule['id']}"

    wrong = [
        (field, str(value)[:40], answer.status_code, answer.text[:200])
        for field, value in FIELDS
        for answer in [api.ask("PATCH", path, json={field: value})]
        if not names(answer, field)
    ]

    assert wrong == []
    assert api.get(path) == schedule


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


STRANGE: list[dict[str, Any]] = [
    {"cron": "0 0 29 2 *"}, {"cron": "0 0 * * 0-7"}, {"cron": "* * * * 7"},
    {"cron": "0 0 L * *"}, {"cron": "0 0 15W * *"}, {"cron": "0 0 * * 5#3"}, {"cron": "@DAILY"},
    {"cron": "0\t0 * * *\n"}, {"timezone": "europe/paris"}, {"timezone": "Asia/Calcutta"},
    {"name": "😀" * 200}, {"name": "<img onerror>"}, {"name": "{{7*7}}"}, {"name": "=cmd()"},
    {"name": "'; drop table schedules; --"}, {"name": "  padded  "}, {"prompt": "x" * 262_144},
    {"start_at": "2999-01-01T00:00:00+05:30"}, {"missed": "all", "overlap": "queue_all"},
    {"target": {"kind": "command", "argv": ["echo", "~", "*", "$(id)", "a\nb"]}},
    {"target": {"kind": "command", "argv": ["claude"], "adapter": "codex", "env": {"KEY": {"$env": "AGENT_KEY"}}}},
    {"target": {"kind": "http", "url": "https://example.com/run", "headers": {"Authorization": {"$env": "KEY"}}}},
    {"target": {"kind": "a2a", "url": "https://agent.example.com", "card_path": "/card.json"}},
    {"target": {"kind": "python", "callable": "agents.daily:report", "kwargs": {"days": 3}}},
    {"target": {"kind": "celery", "task": "agents.report", "queue": "agents", "broker_url": {"$env": "AGENTS_BROKER"}}},
]  # fmt: skip


def test_what_looks_strange_but_can_be_is_accepted(api: Api) -> None:
    workspace = api.workspace()

    for number, over in enumerate(STRANGE):
        answer = api.ask("POST", "/api/schedules", json=form(workspace, **{"name": f"s{number}", **over}))
        assert answer.status_code == 201, (over, answer.text)


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
