"""Tokens: who comes in, what each scope and workspace reaches, when a token ends, when a server may start (SEC-1)."""

from typing import Any
from uuid import UUID

import pytest
from httpx import Client, Response

from console.deeds import api_tokens, sign_ins
from console.local.ports import free_port
from shared.rules.scopes import EVERY, Scope, hash_of
from shared.store.connection import Database
from tests.console.conftest import Api, api_at, form
from tests.console.test_api_firings import run
from tests.running import Start
from tests.waiting import until


def token(api: Api, name: str, *scopes: str, **over: Any) -> str:
    """The text of a new token, made as the command line makes the first one: beside the server."""
    place = UUID(over["workspace"]) if "workspace" in over else None
    wish = api_tokens.Wish(name, frozenset(map(Scope, scopes)), place)
    database = Database(api.database_url)
    try:
        return api_tokens.create(database, wish, "test")[1]
    finally:
        database.close()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_where_others_reach_the_api_nobody_comes_in_without_a_token(wide: Api) -> None:
    right = token(wide, "alice", "admin")
    headers: list[Any] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {right}"},
        {"Host": "localhost"},
        [("Authorization", f"Bearer {right}"), ("Authorization", f"Bearer {right}")],
    ]

    for it in headers:
        told = wide.ask("GET", "/api/schedules", headers=it)
        assert refusal(told) == (401, "token_needed"), it
        assert told.headers["WWW-Authenticate"].startswith("Bearer")
    for text in ("x", "7", right + "x", right[:-1] + ("A" if right[-1] != "A" else "B"), "sb_" + "a" * 43):
        assert refusal(wide.ask("GET", "/api/schedules", headers=bearer(text))) == (401, "token_wrong"), text
    for path in ("/api/openapi.json", "/api/docs", "/", "/schedules"):
        assert wide.ask("GET", path).status_code == 401, path
    assert wide.ask("GET", "/healthz").status_code == wide.ask("GET", "/readyz").status_code == 200
    assert wide.ask("GET", "/api/schedules", headers=bearer(right)).status_code == 200
    assert wide.ask("GET", "/api/schedules", headers={**bearer(right), "Host": "fleet.example"}).status_code == 200


def test_a_token_is_kept_as_a_hash_and_told_once(api: Api) -> None:
    made = api.ask("POST", "/api/tokens", json={"name": "alice", "scopes": ["operate"]})

    text = made.json()["token"]
    assert made.status_code == 201
    assert len(text) >= 43
    assert api.rows("select hash, prefix from api_tokens") == [(hash_of(text), text[:11])]
    everything = api.ask("GET", "/api/tokens").text + str(api.rows("select * from activity_logs"))
    assert text not in everything
    assert api.get("/api/tokens")["items"][0]["last_used_at"] is None
    api.get("/api/schedules", headers=bearer(text))
    assert api.get("/api/tokens")["items"][0]["last_used_at"] is not None
    assert refusal(api.ask("POST", "/api/tokens", json={"name": "alice", "scopes": ["read"]})) == (409, "name_taken")
    for wrong in ({"name": "b", "scopes": []}, {"name": "b", "scopes": ["root"]}, {"name": "", "scopes": ["read"]}):
        assert api.ask("POST", "/api/tokens", json=wrong).status_code == 422, wrong
    past = {"name": "b", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}
    assert api.ask("POST", "/api/tokens", json=past).status_code == 422


def test_a_token_that_was_revoked_or_has_expired_opens_nothing(wide: Api) -> None:
    admin, other, short = token(wide, "admin", "admin"), token(wide, "other", "read"), token(wide, "short", "read")
    wide.rows("update api_tokens set expires_at = now() - interval '1 second' where name = 'short' returning 1")
    known = {it["name"]: it["id"] for it in wide.get("/api/tokens", headers=bearer(admin))["items"]}

    assert refusal(wide.ask("GET", "/api/schedules", headers=bearer(short))) == (401, "token_wrong")
    assert wide.ask("GET", "/api/schedules", headers=bearer(other)).status_code == 200
    for _ in range(2):
        assert wide.ask("DELETE", f"/api/tokens/{known['other']}", headers=bearer(admin)).status_code == 204
    assert refusal(wide.ask("GET", "/api/schedules", headers=bearer(other))) == (401, "token_wrong")
    assert wide.rows("select count(*) from activity_logs where type = 'token_revoked'") == [(1,)]


def test_each_scope_takes_in_those_before_it_and_no_more(wide: Api) -> None:
    admin = token(wide, "admin", "admin")
    place = wide.ask("POST", "/api/workspaces", json={"name": "lab"}, headers=bearer(admin)).json()["id"]
    made = wide.ask("POST", "/api/schedules", json=form(place), headers=bearer(admin)).json()["schedule"]["id"]
    deeds: dict[str, tuple[str, str, Any]] = {
        "read": ("GET", "/api/slots", None),
        "operate": ("POST", f"/api/schedules/{made}/execute?queue=1", None),
        "force": ("POST", f"/api/schedules/{made}/execute?force=1", None),
        "admin": ("PUT", "/api/settings/dead_ticks", {"value": 3}),
    }

    for held in EVERY:
        text = token(wide, f"has {held}", held)
        for at, (method, path, body) in deeds.items():
            told = wide.ask(method, path, json=body, headers=bearer(text))
            reaches = EVERY.index(Scope(at)) <= EVERY.index(held)
            assert (told.status_code < 300) == reaches, (held, at, told.text)
            assert reaches or refusal(told) == (403, "scope_missing")
    forced = "select actor from activity_logs where type = 'force_refused' order by at"
    assert [row[0] for row in wide.rows(forced)] == ["token:has operate (api)"]


# What a token needs where it is not the usual (read for reading, operate for changes).
NEEDS_ADMIN = {
    "POST /api/workspaces", "PUT /api/workspaces/{workspace_id}", "DELETE /api/workspaces/{workspace_id}",
    "PUT /api/limits/{key}", "DELETE /api/limits/{key}", "PUT /api/budgets/{key}", "DELETE /api/budgets/{key}",
    "PUT /api/settings/{key}", "GET /api/tokens", "POST /api/tokens", "DELETE /api/tokens/{token_id}",
}  # fmt: skip
NEEDS_READ = {"POST /api/schedules/preview", "POST /api/forecast/preview", "POST /api/forecast/preview/{schedule_id}"}
TELLS_OF_ALL = {
    "/api/failure-classes", "/api/failure-classes/{key}", "/api/failure-classes/{key}/release", "/api/pause",
    "/api/resume", "/api/forecast", "/api/forecast/preview", "/api/forecast/preview/{schedule_id}", "/api/settings",
    "/api/settings/{key}", "/api/tokens", "/api/tokens/{token_id}",
}  # fmt: skip


def test_what_each_address_needs_is_said_in_its_description(api: Api) -> None:
    paths = api.get("/api/openapi.json")["paths"]
    told = {
        f"{method.upper()} {path}": it
        for path, methods in paths.items()
        for method, it in methods.items()
        if path.startswith("/api/")
    }

    assert {name for name, it in told.items() if it.get("x-slotbeat-scope") == "admin"} == NEEDS_ADMIN
    assert {name for name, it in told.items() if it.get("x-slotbeat-scope") == "read"} == NEEDS_READ
    assert all(it["security"] for it in told.values())


def test_for_a_token_of_one_workspace_there_is_no_other(api: Api) -> None:
    mine, theirs = api.workspace("mine"), api.workspace("theirs", cap=3)
    api.ask("PUT", "/api/limits/fleet", json={"cap": 0})
    ours, other = api.schedule(mine, "ours"), api.schedule(theirs, "other")
    run = "/api/schedules/{}/execute?queue=1"
    waits = {it["id"]: api.ask("POST", run.format(it["id"])).json()["firing_id"] for it in (ours, other)}
    key = bearer(token(api, "guest", "force", workspace=mine))

    def items(path: str) -> list[Any]:
        return api.get(path, headers=key)["items"]

    assert [it["name"] for it in items("/api/workspaces")] == ["mine"]
    assert [it["name"] for it in items("/api/schedules")] == ["ours"]
    assert [it["id"] for it in items("/api/firings")] == [waits[ours["id"]]]
    assert [it["key"] for it in items("/api/limits")] == ["fleet"]
    told = api.ask("GET", "/api/slots", headers=key).text
    assert "ours" in told
    assert "other" not in told
    assert theirs not in told
    firing = waits[other["id"]]
    hidden = [
        ("GET", f"/api/workspaces/{theirs}"), ("PATCH", f"/api/workspaces/{theirs}"),
        ("GET", f"/api/workspaces/{theirs}/health"), ("GET", f"/api/schedules?workspace={theirs}"),
        ("GET", f"/api/schedules/{other['id']}"), ("DELETE", f"/api/schedules/{other['id']}"),
        ("POST", f"/api/schedules/{other['id']}/execute"), ("POST", f"/api/schedules/{other['id']}/pause"),
        ("GET", f"/api/schedules/{other['id']}/why"), ("GET", f"/api/schedules/{other['id']}/revisions"),
        ("GET", f"/api/firings/{firing}"), ("GET", f"/api/firings/{firing}/detail"),
        ("GET", f"/api/firings/{firing}/events"), ("GET", f"/api/firings/{firing}/why"),
        ("POST", f"/api/firings/{firing}/cancel"), ("POST", f"/api/firings/{firing}/rerun"),
    ]  # fmt: skip
    for method, path in hidden:
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        assert refusal(api.ask(method, path, headers=key, **body)) == (404, "not_found"), (method, path)
    into = [
        ("POST", "/api/schedules", form(theirs, name="new")),
        ("PATCH", f"/api/schedules/{ours['id']}", {"workspace_id": theirs}),
        ("PUT", f"/api/schedules/{ours['id']}", form(theirs)),
        ("POST", "/api/firings", {"workspace_id": theirs, "target": ours["target"]}),
        ("PUT", "/api/interactive-streams/chat", {"workspace_id": theirs}),
        ("PUT", "/api/interactive-streams/chat", {}),
    ]
    for method, path, given in into:
        assert refusal(api.ask(method, path, json=given, headers=key)) == (404, "not_found"), (method, path)
    assert api.ask("PUT", "/api/interactive-streams/chat", json={"workspace_id": mine}, headers=key).status_code == 200
    assert api.rows("select count(*) from schedules") == [(2,)]


def test_of_all_workspaces_a_token_of_one_hears_nothing(api: Api) -> None:
    mine = api.workspace("mine")
    key = bearer(token(api, "guest", "admin", workspace=mine))
    made = api.schedule(mine)["id"]

    for path in TELLS_OF_ALL:
        known = path.replace("{schedule_id}", made).replace("{token_id}", made).replace("{key}", "x@lane:y")
        for method in api.get("/api/openapi.json")["paths"][path]:
            told = api.ask(method.upper(), known, headers=key, json={} if method in ("post", "put") else None)
            assert refusal(told) == (403, "one_workspace_only"), (method, path)
    assert refusal(api.ask("PUT", "/api/limits/fleet", json={"cap": 9}, headers=key)) == (403, "one_workspace_only")


def test_why_names_no_other_workspaces_firings(api: Api) -> None:
    mine, theirs = api.workspace("mine"), api.workspace("theirs")
    secret = api.schedule(theirs, "their secret")
    api.ask("PUT", "/api/limits/fleet", json={"cap": 1})
    ours = api.schedule(mine, "ours")
    run(api, api.ask("POST", f"/api/schedules/{secret['id']}/execute").json()["firing_id"])
    firing = api.ask("POST", f"/api/schedules/{ours['id']}/execute?queue=1").json()["firing_id"]
    api.rows("update attempts set claimed_at = now() - interval '5 minutes' returning 1")
    api.rows("update firings set queued_at = now() - interval '4 minutes' where id = %s returning 1", firing)
    key = bearer(token(api, "guest", "read", workspace=mine))

    told = api.ask("GET", f"/api/firings/{firing}/why", headers=key)

    assert "their secret" in api.ask("GET", f"/api/firings/{firing}/why").text
    assert "behind a firing of another workspace" in told.text
    assert "their secret" not in told.text


def test_who_tries_many_tokens_is_told_to_wait_by_every_process(wide: Api, database_url: str, redis_url: str) -> None:
    right = token(wide, "alice", "read")
    answers = [wide.ask("GET", "/api/slots", headers=bearer("x" * 40)) for _ in range(sign_ins.MOST_FAILURES + 1)]

    assert [it.status_code for it in answers] == [401] * sign_ins.MOST_FAILURES + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert wide.ask("GET", "/api/slots", headers=bearer(right)).status_code == 200
    with api_at(database_url, redis_url, "0.0.0.0") as second:
        assert refusal(second.ask("GET", "/api/slots", headers=bearer("y" * 40))) == (429, "too_many_failures")
    wide.rows("update failed_sign_ins set since = now() - interval '2 minutes' returning 1")
    assert wide.ask("GET", "/api/slots", headers=bearer("x" * 40)).status_code == 401


@pytest.mark.parametrize("how", [("--host", "0.0.0.0"), ("--host=::",), ("UVICORN_HOST",), ("SLOTBEAT_REQUIRE_TOKEN",)])
def test_beyond_loopback_the_server_refuses_to_start_before_there_is_a_token(
    start: Start, database_url: str, redis_url: str, how: tuple[str, ...]
) -> None:
    more = {"UVICORN_HOST": {"UVICORN_HOST": "0.0.0.0"}, "SLOTBEAT_REQUIRE_TOKEN": {"SLOTBEAT_REQUIRE_TOKEN": "1"}}
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **more.get(how[0], {})}
    words = how if how[0].startswith("-") else ()

    refused = start("python", "-m", "uvicorn", "console.api:app", "--port", str(free_port()), *words, env=env)

    assert refused.wait(40) != 0
    assert "slotbeat token create" in refused.text
    assert "Traceback" not in refused.text


def test_the_environments_token_is_an_admins_and_is_replaced_by_the_next(
    start: Start, database_url: str, redis_url: str
) -> None:
    first, second = "first-" + "x" * 40, "second-" + "y" * 40
    here = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}

    def statuses(given: str, *asked: str) -> list[int]:
        port = free_port()
        argv = ("python", "-m", "uvicorn", "console.api:app", "--host", "0.0.0.0", "--port", str(port))
        served = start(*argv, env={**here, "SLOTBEAT_ADMIN_TOKEN": given})
        until(lambda: served.says("Uvicorn running"))
        with Client(base_url=f"http://127.0.0.1:{port}") as client:
            found = [client.get("/api/tokens", headers=bearer(it)).status_code for it in asked]
            found.append(client.get("/api/tokens").status_code)
        served.end_tree()
        return found

    assert statuses(first, first, second) == [200, 401, 401]
    assert statuses(first, first) == [200, 401]
    assert statuses(second, first, second) == [401, 200, 401]
    assert statuses("", second) == [200, 401]
    short = start("python", "-m", "uvicorn", "console.api:app", env={**here, "SLOTBEAT_ADMIN_TOKEN": "short"})
    assert short.wait(40) != 0
    assert "SLOTBEAT_ADMIN_TOKEN takes 32" in short.text
