"""The settings table: what was set by people, below the environment and above the defaults."""

from shared.store.connection import Postgres


def load(connection: Postgres) -> dict[str, str]:
    """Every stored setting; the fleet cap stands in `limits` and is told from there."""
    rows = connection.execute(
        """
        select key, value from settings where key <> 'max_concurrent'
        union all select 'max_concurrent', cap::text from limits where key = 'fleet' and updated_by <> 'default'
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
