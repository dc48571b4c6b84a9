"""Schedules with what they weigh: those that may collide, and those alike."""

from uuid import UUID

from psycopg.rows import class_row

from shared.rules.collisions import Weighed
from shared.store.connection import Postgres

# A median of more tells no more.
_MOST_ALIKE = 1000


def active(connection: Postgres, workspace: UUID) -> list[Weighed]:
    """The active schedules of a workspace that have an average of turns; a native one fires nothing here."""
    with connection.cursor(row_factory=class_row(Weighed)) as cursor:
        return cursor.execute(
            """
            select s.id, s.name, s.cron, s.run_at, s.timezone, s.start_at, s.end_at, s.remaining_runs,
                   s.avg_turns_per_firing as avg_turns
              from schedules s join workspaces w on w.id = s.workspace_id
             where s.workspace_id = %s and s.status = 'active' and s.avg_turns_per_firing > 0
               and not w.native_scheduler
             order by s.id
            """,
            [workspace],
        ).fetchall()


def averages(connection: Postgres, adapter: str, besides: UUID, only: UUID | None = None) -> list[int]:
    """What the newest schedules of an adapter that take turns at all take, on average; with `only`, of a workspace."""
    rows = connection.execute(
        """
        select avg_turns_per_firing from schedules
         where coalesce(target ->> 'adapter', case target ->> 'kind' when 'command' then 'generic'
                                              else target ->> 'kind' end) = %(adapter)s
           and avg_turns_per_firing > 0 and status <> 'archived' and id <> %(besides)s
           and (%(only)s::uuid is null or workspace_id = %(only)s)
         order by id desc limit %(most)s
        """,
        {"adapter": adapter, "besides": besides, "most": _MOST_ALIKE, "only": only},
    ).fetchall()
    return [row[0] for row in rows]
