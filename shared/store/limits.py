"""Limits and their slot rows: caps are written here and nowhere else."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres
from shared.store.epoch import shut_admission

FLEET = "fleet"


@dataclass(frozen=True)
class Limit:
    """A limit with its slot rows counted."""

    key: str
    cap: int
    held: int
    forced: int
    surplus: int
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True)
class SlotHolder:
    """A held slot row and the firing that holds it."""

    limit_key: str
    number: int
    token: int
    forced: bool
    firing_id: UUID
    title: str
    claimed_at: datetime
    run_expires_at: datetime


def caps(connection: Postgres) -> dict[str, int]:
    """The cap of every limit as it counts now: that of a paused fleet is 0."""
    return dict(connection.execute("select key, cap from limits").fetchall())


def caps_now(connection: Postgres) -> tuple[dict[str, int], int]:
    """The cap of every limit, and the version of the caps, at one instant."""
    row = connection.execute(
        "select coalesce((select jsonb_object_agg(key, cap) from limits), '{}'), caps_version from epoch"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def listing(connection: Postgres) -> list[Limit]:
    """Every limit with what is held under it, the fleet first."""
    with connection.cursor(row_factory=class_row(Limit)) as cursor:
        return cursor.execute(
            """
            select l.key, l.cap, count(s.token)::int as held, count(*) filter (where s.forced)::int as forced,
                   l.surplus, l.updated_at, l.updated_by
              from limits l left join slots s on s.limit_key = l.key
             group by l.key order by l.key <> 'fleet', l.key
            """
        ).fetchall()


def holders(connection: Postgres) -> list[SlotHolder]:
    """Who holds which slot."""
    with connection.cursor(row_factory=class_row(SlotHolder)) as cursor:
        return cursor.execute(
            """
            select s.limit_key, s.number, s.token, s.forced, a.firing_id, f.title, a.claimed_at, a.run_expires_at
              from slots s join attempts a on a.token = s.token join firings f on f.id = a.firing_id
             order by s.limit_key <> 'fleet', s.limit_key, a.claimed_at
            """
        ).fetchall()


def set_cap(connection: Postgres, key: str, cap: int, by: str) -> bool:
    """Makes a limit have this cap and as many slot rows; False when it had it already, or its workspace is gone.

    Takes admission's lock alone, so call it in a short transaction. Free rows above the cap are deleted;
    held ones stay as surplus and go when they settle, so that nothing is ended. Where there was no cap,
    every running firing under the limit gets a held row.
    """
    shut_admission(connection)
    if key == FLEET and (changed := _keep_for_resume(connection, cap)) is not None:
        if changed:
            connection.execute("update limits set updated_by = %s where key = 'fleet'", [by])
        return changed
    before = connection.execute("select cap from limits where key = %s", [key]).fetchone()
    if before == (cap,) or _is_of_the_past(connection, key):
        return False
    if before is None:
        _add(connection, key, cap, by)
    write_cap(connection, key, cap, by)
    return True


def _is_of_the_past(connection: Postgres, key: str) -> bool:
    """Whether it is the limit of a workspace that was removed: who removes one keeps admission shut, too."""
    kind, _, workspace = key.partition(":")
    if kind != "workspace":
        return False
    row = connection.execute("select from workspaces where id = %s and status <> 'removed'", [workspace]).fetchone()
    return row is None


def _keep_for_resume(connection: Postgres, cap: int) -> bool | None:
    """Of a paused fleet the cap is 0, whatever is set: what is set counts when it resumes. None: not paused."""
    row = connection.execute(
        """
        update fleet_pause p set cap = %s
          from fleet_pause before where p.resumed_at is null returning before.cap <> p.cap
        """,
        [cap],
    ).fetchone()
    return None if row is None else row[0]


def write_cap(connection: Postgres, key: str, cap: int, by: str | None = None) -> None:
    """Gives a limit this cap and the rows that go with it; call it under admission's lock."""
    connection.execute(
        """
        update limits set cap = %(cap)s, updated_at = now(), updated_by = coalesce(%(by)s, updated_by)
         where key = %(key)s
        """,
        {"key": key, "cap": cap, "by": by},
    )
    _fit_rows(connection, key, cap)


def _add(connection: Postgres, key: str, cap: int, by: str) -> None:
    connection.execute(
        "insert into limits (key, cap, updated_by) values (%(key)s, %(cap)s, %(by)s)",
        {"key": key, "cap": cap, "by": by},
    )
    connection.execute(
        """
        insert into slots (limit_key, number, token)
        select %(key)s, row_number() over (order by token), token from firings
         where status = 'running' and %(key)s in (select limit_keys(workspace_id, lane))
        """,
        {"key": key},
    )


def _fit_rows(connection: Postgres, key: str, cap: int) -> None:
    """As many rows as the cap: adds free ones, deletes free ones, notes held ones that are too many."""
    connection.execute(
        """
        with rows as (select count(*) as present from slots where limit_key = %(key)s and not forced),
             unused as (
               select n from generate_series(1, %(cap)s + (select present from rows)) as n
                where not exists (select from slots where limit_key = %(key)s and number = n)
                order by n limit greatest(0, %(cap)s - (select present from rows)))
        insert into slots (limit_key, number) select %(key)s, n from unused
        """,
        {"key": key, "cap": cap},
    )
    connection.execute(
        """
        delete from slots where limit_key = %(key)s and token is null and number in (
          select number from slots where limit_key = %(key)s and token is null order by number desc
           limit greatest(0, (select count(*) from slots where limit_key = %(key)s and not forced) - %(cap)s))
        """,
        {"key": key, "cap": cap},
    )
    connection.execute(
        """
        update limits set surplus = greatest(0, (
          select count(*) from slots where limit_key = %(key)s and not forced) - %(cap)s)
         where key = %(key)s
        """,
        {"key": key, "cap": cap},
    )


def remove(connection: Postgres, key: str) -> bool:
    """Removes a workspace's or a lane's limit; what runs under it goes on. False when there is none."""
    shut_admission(connection)
    return connection.execute("delete from limits where key = %s and key <> 'fleet'", [key]).rowcount == 1


def exceeded(connection: Postgres) -> list[str]:
    """Limits under which more firings run than the cap, what a lowered cap still owes, and forced ones allow."""
    rows = connection.execute(
        """
        select l.key from limits l
         where l.cap + l.surplus + (select count(*) from slots s where s.limit_key = l.key and s.forced)
             < (select count(*) from firings f
                 where f.status = 'running' and l.key in (select limit_keys(f.workspace_id, f.lane)))
         order by l.key
        """
    ).fetchall()
    return [row[0] for row in rows]
