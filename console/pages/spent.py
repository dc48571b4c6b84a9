"""Which budgets hold up firings of the line."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from shared.rules.budgets import nothing_left
from shared.store import budgets
from shared.store.connection import Postgres
from shared.store.overview import Waits


def spent(connection: Postgres, line: Iterable[Waits], now: datetime) -> dict[UUID, str]:
    """In words, by the ids of firings that were told to look again later: the budget that leaves them nothing."""
    later = [it for it in line if it.not_before is not None and it.not_before > now and not it.forced]
    of = {it.id: budgets.keys_of(it.schedule_id, it.workspace_id) for it in later}
    keys = {key for found in of.values() for key in found}
    known = {it.key: it.with_held() for it in (budgets.of_keys(connection, keys) if keys else [])}
    told = {
        it.id: next(filter(None, (nothing_left(key, it.workspace, known.get(key, ())) for key in of[it.id])), None)
        for it in later
    }
    return {firing: str(found) for firing, found in told.items() if found is not None}
