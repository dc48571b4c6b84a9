"""Budgets over HTTP: set, listed with their use, refused when they cannot be, and what a spent one refuses."""

from typing import Any

from tests.console.conftest import SLEEPS, Api
from tests.console.test_api_firings import run


def test_a_budget_is_set_listed_and_removed(api: Api) -> None:
    workspace = api.workspace()
    path = f"/api/budgets/workspace:{workspace}"

    told = api.ask("PUT", path, json={"turns": 10, "micros": 5_000_000})

    assert told.status_code == 200, told.text
    assert (told.json()["turns"], told.json()["tokens"], told.json()["micros"]) == (10, None, 5_000_000)
    assert (told.json()["spent_turns"], told.json()["held_turns"]) == (0, 0)
    assert [it["key"] for it in api.get("/api/budgets")["items"]] == [f"workspace:{workspace}"]
    assert api.rows("select type from activity_logs where type = 'budget_set'") == [("budget_set",)]
    assert api.ask("DELETE", path).status_code == 204
    assert api.ask("DELETE", path).status_code == 404
    assert api.get("/api/budgets")["items"] == []


def test_a_budget_that_cannot_be_is_refused_and_leaves_nothing(api: Api) -> None:
    wrong: list[tuple[str, Any, int]] = [
        ("fleet", {}, 422), ("fleet", {"turns": 0}, 422), ("fleet", {"turns": -1}, 422),
        ("fleet", {"turns": True}, 422),
        ("fleet", {"turns": 2.5}, 422), ("fleet", {"turns": "7"}, 422), ("fleet", {"turns": 2**63}, 422),
        ("fleet", {"money": 5}, 422), ("lane:x", {"turns": 5}, 422), ("nothing", {"turns": 5}, 422),
        ("workspace:01890000-0000-7000-8000-000000000000", {"turns": 5}, 404),
    ]  # fmt: skip
    for key, body, status in wrong:
        assert api.ask("PUT", f"/api/budgets/{key}", json=body).status_code == status, (key, body)
    assert api.rows("select count(*) from budgets") == [(0,)]


def test_a_run_by_hand_is_refused_while_its_budget_is_spent(api: Api) -> None:
    workspace = api.workspace()
    api.ask("PUT", "/api/budgets/fleet", json={"turns": 5})
    api.rows(
        "insert into spend (token, workspace_id, is_reserved, turns) values (1, %s, false, 5) returning token",
        workspace,
    )
    body = {"workspace_id": workspace, "target": SLEEPS}

    told = api.ask("POST", "/api/firings", json=body)

    assert (told.status_code, told.json()["error"], told.json()["budget"]) == (409, "budget_used_up", "fleet")
    assert api.rows("select count(*) from firings") == [(0,)]
    assert api.ask("POST", "/api/firings?force=true", json=body).status_code == 200


def test_a_run_by_hand_is_refused_while_what_runs_holds_all_of_its_budget(api: Api) -> None:
    """Its claim would be refused, and it would wait, although it was said to start."""
    body = {"workspace_id": api.workspace(), "target": SLEEPS}
    api.ask("PUT", "/api/limits/fleet", json={"cap": 9})
    api.ask("PUT", "/api/budgets/fleet", json={"turns": 5})
    run(api, api.ask("POST", "/api/firings", json=body).json()["firing_id"])

    told = api.ask("POST", "/api/firings", json=body)
    queued = api.ask("POST", "/api/firings?queue=true", json=body)
    api.rows("update spend set turns = 4 returning 1")

    assert (told.status_code, told.json()["error"], told.json()["budget"]) == (409, "budget_used_up", "fleet")
    assert "is held for what runs" in told.json()["detail"]
    assert queued.status_code == 202
    assert api.ask("POST", "/api/firings", json=body).status_code == 200
