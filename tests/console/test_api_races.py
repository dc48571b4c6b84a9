"""Two requests about one thing at once: the one that comes too late is told so, and nothing breaks."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from console.deeds import workspaces
from shared.admission import Admission
from shared.store import budgets
from shared.store.connection import Postgres
from shared.store.workspaces import Workspace
from tests.console.conftest import Api
from tests.waiting import until


def after(api: Api, statement: str, go_on: Callable[..., Any]) -> Callable[..., Any]:
    """The same step of a request, before which somebody else's statement is done, if it finds its row."""

    def done(*given: Any) -> Any:
        api.rows(f"{statement} returning key")
        return go_on(*given)

    return done


def test_a_cap_that_is_removed_while_it_is_set_is_a_conflict(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    step = after(api, "delete from limits where key = 'lane:gpu'", Admission.tell_cap)

    def told_late(self: Admission, key: str) -> None:
        step(self, key)

    monkeypatch.setattr(Admission, "tell_cap", told_late)

    told = api.ask("PUT", "/api/limits/lane:gpu", json={"cap": 2})

    assert (told.status_code, told.json()["error"]) == (409, "changed_meanwhile")


def test_a_budget_is_answered_as_it_was_set_whoever_removes_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "every", after(api, "delete from budgets", budgets.every))

    told = api.ask("PUT", "/api/budgets/fleet", json={"turns": 5})

    assert (told.status_code, told.json()["turns"]) == (200, 5)


def test_no_cap_is_left_of_a_workspace_that_is_removed_while_it_is_set(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who set it has looked whether the workspace is there, and then it went."""
    workspace, look = api.workspace(), workspaces.need
    api.schedule(workspace)

    def look_before(connection: Postgres, asked: UUID) -> Workspace:
        found = look(connection, asked)
        assert api.ask("DELETE", f"/api/workspaces/{workspace}").status_code == 204
        return found

    monkeypatch.setattr(workspaces, "need", look_before)
    told = api.ask("PUT", f"/api/limits/workspace:{workspace}", json={"cap": 2})

    assert (told.status_code, told.json()["error"]) == (409, "changed_meanwhile")
    assert api.rows("select key from limits where key <> 'fleet'") == []


def test_a_workspace_takes_its_budget_along_also_one_that_is_set_meanwhile(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, look = api.workspace(), workspaces.need
    api.schedule(workspace)
    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'advisory'"
    with ThreadPoolExecutor(1) as pool:
        removals: list[Future[httpx.Response]] = []

        def look_and_be_overtaken(connection: Postgres, asked: UUID) -> Workspace:
            found = look(connection, asked)
            removals.append(pool.submit(api.ask, "DELETE", f"/api/workspaces/{workspace}"))
            until(lambda: api.rows(waiting))
            return found

        monkeypatch.setattr(workspaces, "need", look_and_be_overtaken)
        told = api.ask("PUT", f"/api/budgets/workspace:{workspace}", json={"turns": 5})

        assert (told.status_code, removals[0].result().status_code) == (200, 204)
    assert api.rows("select key from budgets") == []
