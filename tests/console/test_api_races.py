"""Two requests about one thing at once: the one that comes too late is told so, and nothing breaks."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.admission import Admission
from shared.store import budgets
from tests.console.conftest import Api


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
