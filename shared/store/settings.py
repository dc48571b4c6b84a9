"""The settings table: what was set by people, below the environment and above the defaults."""

from shared.store.connection import Postgres


def load(connection: Postgres) -> dict[str, str]:
    """Every stored setting; the fleet cap stands in `limits`, of a paused fleet beside its pause."""
    rows = connection.execute(
        """
        select key, value from settings where key <> 'max_concurrent'
        union all
        select 'max_concurrent', coalesce((select p.cap from fleet_pause p where p.resumed_at is null), l.cap)::text
          from limits l where l.key = 'fleet' and l.updated_by <> 'default'
        """
    ).fetchall()
    return dict(rows)


def store(connection: Postgres, key: str, value: str, by: str) -> None:
    """Writes one setting."""
    connection.execute(
        """
        insert into settings (key, value, updated_by) values (%(key)s, %(value)s, %(by)s)
        on conflict (key) do update set value = excluded.value, updated_by = excluded.updated_by, updated_at = now()
        """,
        {"key": key, "value": value, "by": by},
    )
