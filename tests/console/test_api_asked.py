"""What is asked for in an address: fields that nobody knows, and moments as they come out of a query."""

from typing import Any

import pytest

from tests.console.conftest import SLEEPS, Api


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/api/schedules?workspace_id=x", None, "There is no field workspace_id. Did you mean workspace?"),
        ("GET", "/api/firings?states=queued", None, "There is no field states. Did you mean status?"),
        ("GET", "/api/forecast?target=2", None, "There is no field target. See /api/docs for those there are."),
        ("POST", "/api/workspaces", {"name": "x", "restart_comand": []}, "Did you mean restart_command?"),
        ("POST", "/api/workspaces", {"name": "x", "target": 1}, "There is no field target. See /api/docs"),
        ("POST", "/api/firings", {"target": {**SLEEPS, "agrv": 1}}, "target.agrv. Did you mean argv?"),
        ("POST", "/api/firings", {"target": {**SLEEPS, "url": "x"}}, "There is no field target.url. See /api/docs"),
        ("POST", "/api/pause", {"nota": "x"}, "There is no field nota. Did you mean note?"),
    ],
)
def test_who_names_a_field_that_is_not_there_is_told_one_that_is(
    api: Api, method: str, path: str, body: Any, words: str
) -> None:
    answer = api.ask(method, path, **({} if body is None else {"json": body}))

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("at", ["2026-11-22T03:00:00+02:00", "2026-11-22T03:00:00%2B02:00", "2026-11-22T01:00:00Z"])
def test_a_moment_of_a_query_may_have_its_plus_as_it_is(api: Api, at: str) -> None:
    schedule = api.schedule(api.workspace())

    why = api.get(f"/api/schedules/{schedule['id']}/why?at={at}")
    listed = api.get(f"/api/firings?since={at}")

    assert why["at"] == "2026-11-22T01:00:00Z"
    assert listed["items"] == []


def test_a_moment_of_a_body_has_its_plus(api: Api) -> None:
    schedule = api.schedule(api.workspace())

    answer = api.ask("PATCH", f"/api/schedules/{schedule['id']}", json={"start_at": "2099-11-22T03:00:00 02:00"})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "instant")
