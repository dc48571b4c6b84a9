"""Budgets over HTTP: what may be used in any 24 hours, what was, and what is held for what runs."""

from typing import Annotated

from fastapi import APIRouter, Path

from console.api.allowed import Asking, needs
from console.api.fields import Amount, Body
from console.api.paging import Listing, part
from console.api.state import Actor, Page, Rows
from console.deeds import budgets as deeds
from shared.rules.scopes import Scope
from shared.store import budgets, places
from shared.store.budgets import Budget, Wanted

router = APIRouter(prefix="/api/budgets", tags=["budgets"])

Key = Annotated[str, Path(description="fleet or workspace:ID", max_length=200)]


class BudgetForm(Body):
    """How much may be used in any 24 hours; what is null has no bound. `micros` are millionths of a dollar."""

    turns: Amount | None = None
    tokens: Amount | None = None
    micros: Amount | None = None


@router.get("", openapi_extra=needs(one_workspace=True))
def list_budgets(rows: Rows, caller: Asking, page: Page) -> Listing[Budget]:
    """Every budget with its use; those of schedules too, which are set with the schedule."""
    found = budgets.every(rows.connection())
    if caller.workspace is not None:
        found = [it for it in found if caller.sees(places.of_limit(rows.connection(), it.key))]
    return part(found, page.limit, page.cursor, lambda it: it.key)


@router.put("/{key:path}", openapi_extra=needs(Scope.ADMIN))
def set_budget(rows: Rows, actor: Actor, key: Key, form: BudgetForm) -> Budget:
    """Writes the budget of the fleet or a workspace; what waits for it looks again within a minute."""
    return deeds.put(rows, key, Wanted(form.turns, form.tokens, form.micros), actor)


@router.delete("/{key:path}", status_code=204, openapi_extra=needs(Scope.ADMIN))
def remove_budget(rows: Rows, actor: Actor, key: Key) -> None:
    """Removes the budget of the fleet or a workspace."""
    deeds.remove(rows, key, actor)
