"""Budgets over a rolling day: what they are, what was spent under them, and who has been told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres

FLEET = "fleet"


@dataclass(frozen=True)
class Budget:
    """A budget with its use: spent in the last 24 hours, and held for what runs."""

    key: str
    schedule_id: UUID | None
    workspace_id: UUID | None
    turns: int | None
    tokens: int | None
    micros: int | None
    spent_turns: int
    spent_tokens: int
    spent_micros: int
    held_turns: int
    held_tokens: int
    held_micros: int

    def measures(self) -> list[tuple[str, int, int]]:
        """Each measure that has a budget, the budget, and what of it is spent."""
        return [(name, budget, spent) for name, budget, spent, _ in self.with_held()]

    def with_held(self) -> list[tuple[str, int, int, int]]:
        """The same, each with what is held for what runs."""
        every = (
            ("turns", self.turns, self.spent_turns, self.held_turns),
            ("tokens", self.tokens, self.spent_tokens, self.held_tokens),
            ("micros", self.micros, self.spent_micros, self.held_micros),
        )
        return [(name, budget, spent, held) for name, budget, spent, held in every if budget is not None]


_SELECT = """
    select b.key, b.schedule_id, case when b.schedule_id is null then b.workspace_id end as workspace_id,
           b.turns, b.tokens, b.micros, u.turns as spent_turns, u.tokens as spent_tokens, u.micros as spent_micros,
           u.held_turns, u.held_tokens, u.held_micros
      from budgets_in_force b cross join lateral spend_under(b.key) u
"""


def keys_of(schedule: UUID | None, workspace: UUID) -> list[str]:
    """The keys of the budgets that a firing of this schedule in this workspace is under, where there are such."""
    return [FLEET, f"workspace:{workspace}", f"schedule:{schedule}"]


def of_firing(connection: Postgres, schedule: UUID | None, workspace: UUID) -> list[Budget]:
    """The budgets that a firing of this schedule in this workspace is under."""
    return of_keys(connection, keys_of(schedule, workspace))


def of_keys(connection: Postgres, keys: Iterable[str]) -> list[Budget]:
    """Those of these keys that there are."""
    with connection.cursor(row_factory=class_row(Budget)) as cursor:
        return cursor.execute(_SELECT + " where b.key = any(%s) order by b.key", [list(keys)]).fetchall()


def of_waiting(connection: Postgres, firing: UUID) -> list[Budget]:
    """The budgets that can hold up a firing: none, where it is forced or does not wait."""
    found = connection.execute(
        "select schedule_id, workspace_id from firings where id = %s and status = 'queued' and not forced", [firing]
    ).fetchone()
    return [] if found is None else of_firing(connection, *found)


def every(connection: Postgres) -> list[Budget]:
    """Every budget that there is."""
    with connection.cursor(row_factory=class_row(Budget)) as cursor:
        return cursor.execute(_SELECT + " order by b.key").fetchall()


def shared_and_of(connection: Postgres, schedules: Sequence[UUID]) -> list[Budget]:
    """Those of the fleet and of workspaces, and those of these schedules."""
    with connection.cursor(row_factory=class_row(Budget)) as cursor:
        return cursor.execute(
            _SELECT + " where b.schedule_id is null or b.schedule_id = any(%s)", [list(schedules)]
        ).fetchall()


def first_to_tell(connection: Postgres, key: str, measure: str, percent: int) -> bool:
    """Whether nobody was told of this within the last day; then it counts as told."""
    told = connection.execute(
        """
        insert into budget_warnings as w (key, measure, percent) values (%(key)s, %(measure)s, %(percent)s)
        on conflict (key, measure, percent) do update set at = now() where w.at <= now() - interval '24 hours'
        returning key
        """,
        {"key": key, "measure": measure, "percent": percent},
    )
    return told.rowcount == 1


@dataclass(frozen=True)
class Wanted:
    """What somebody wants a budget to be."""

    turns: int | None
    tokens: int | None
    micros: int | None


def put(connection: Postgres, key: str, wanted: Wanted, by: str) -> datetime:
    """Writes the budget of the fleet or a workspace."""
    row = connection.execute(
        """
        insert into budgets (key, turns, tokens, micros, updated_by)
        values (%(key)s, %(turns)s, %(tokens)s, %(micros)s, %(by)s)
        on conflict (key) do update
           set turns = excluded.turns, tokens = excluded.tokens, micros = excluded.micros, updated_at = now(),
               updated_by = excluded.updated_by
        returning updated_at
        """,
        {"key": key, "by": by, **vars(wanted)},
    ).fetchone()
    assert row is not None
    return row[0]


def remove(connection: Postgres, key: str) -> bool:
    """Removes it; False when there is none."""
    return connection.execute("delete from budgets where key = %s", [key]).rowcount == 1
