"""Firings that run, with the live attempt that each has."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.store.connection import Postgres
from shared.store.firings import InLine


@dataclass(frozen=True)
class Running:
    """A running firing with its live attempt, as the gate must know it."""

    line: InLine
    request_id: UUID
    worker: str
    lease_left_ms: int


def running(connection: Postgres) -> list[Running]:
    """Every firing that runs, with the request that leases it."""
    # A full join is hashed. Where statistics know of nothing that runs, any other compares each with each.
    rows = connection.execute(
        """
        select f.id, f.workspace_id, f.lane, f.line_no, f.priority, f.forced, f.title,
               a.request_id, coalesce(a.worker ->> 'id', ''),
               greatest(1, (extract(epoch from a.heartbeat_expires_at - now()) * 1000)::bigint)
          from (select * from firings where status = 'running') f
          full join (select * from attempts where ended_at is null) a on a.firing_id = f.id
        """
    ).fetchall()
    return [Running(InLine(*row[:7]), row[7], row[8], row[9]) for row in rows if row[0] and row[7]]


def statuses(connection: Postgres, ids: Sequence[UUID]) -> dict[UUID, tuple[str, UUID | None]]:
    """Status and live request of each firing; one that does not exist is missing."""
    rows = connection.execute(
        """
        select f.id, f.status, a.request_id
          from firings f left join attempts a on a.firing_id = f.id and a.ended_at is null
         where f.id = any(%s)
        """,
        [list(ids)],
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def hold_live(connection: Postgres, requests: Sequence[UUID]) -> set[UUID]:
    """Those of these requests whose attempt is live, and kept so until the transaction ends.

    One that somebody has locked, as a settle has, is not among them, and nobody is waited for.
    """
    rows = connection.execute(
        "select request_id from attempts where request_id = any(%s) and outcome is null for key share skip locked",
        [list(requests)],
    ).fetchall()
    return {row[0] for row in rows}


def ended_requests(connection: Postgres, ids: Sequence[UUID]) -> set[tuple[UUID, UUID]]:
    """Of each firing the requests of its attempts that have ended."""
    rows = connection.execute(
        "select firing_id, request_id from attempts where firing_id = any(%s) and outcome is not null", [list(ids)]
    ).fetchall()
    return {(row[0], row[1]) for row in rows}


def live_tokens(connection: Postgres, tokens: Sequence[int]) -> set[int]:
    """Those of these tokens whose attempt has not ended."""
    rows = connection.execute(
        "select token from attempts where token = any(%s) and ended_at is null", [list(tokens)]
    ).fetchall()
    return {row[0] for row in rows}
