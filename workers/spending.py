"""Tells people of budgets that run out, after what ran has been settled."""

from typing import Any

import psycopg

from shared.events import event, trouble
from shared.rules.budgets import FULL_PERCENT, in_words, to_tell
from shared.store import activity, alerts, budgets
from shared.store.attempts import Attempt
from shared.store.connection import Database


def tell(database: Database, attempt: Attempt) -> None:
    """Once a day for each budget and measure: at 80 % a warning, at 100 % that its occurrences are skipped.

    After the settle and not within it: one that is missed is told with the next. What was under no budget when it
    was claimed has used up none.
    """
    if (attempt.may_turns, attempt.may_tokens, attempt.may_micros) == (None, None, None):
        return
    try:
        found = budgets.of_firing(database.connection(), attempt.schedule_id, attempt.workspace_id)
        for budget in found:
            for measure, percent in to_tell(budget.measures()):
                _tell(database, attempt, budget, measure, percent)
    except psycopg.Error as error:
        trouble("budget.not_told", error, firing=attempt.firing_id)


def _tell(database: Database, attempt: Attempt, budget: budgets.Budget, measure: str, percent: int) -> None:
    most, spent = next((most, spent) for name, most, spent in budget.measures() if name == measure)
    whose = attempt.schedule if budget.schedule_id is not None else "fleet"
    whose = f"workspace {attempt.workspace}" if budget.workspace_id is not None else whose
    words = f"{in_words(measure, spent)} of {in_words(measure, most)} were used in the last 24 hours."
    if percent == FULL_PERCENT:
        words += " Its occurrences are skipped until spend is a day old, or the budget is raised."
    kind = "budget_used_up" if percent == FULL_PERCENT else "budget_warned"
    about: dict[str, Any] = {"workspace": budget.workspace_id, "schedule": budget.schedule_id}
    with database.transaction() as connection:
        if not budgets.first_to_tell(connection, budget.key, measure, percent):
            return
        body = {"key": budget.key, "measure": measure, "budget": most, "spent": spent}
        deed = activity.Deed(kind, "slotbeat", body, **about)
        activity.add(connection, deed)
        alerts.add(connection, kind, f"{whose}: {percent} % of its budget is used", words, **about)
    event("budget.told", key=budget.key, measure=measure, budget=most, spent=spent, percent=percent)
