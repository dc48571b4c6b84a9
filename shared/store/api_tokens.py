"""API tokens: hashed, with scopes, perhaps for one workspace only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from shared.store.connection import Postgres

_MAKING = 7310


@dataclass(frozen=True)
class ApiToken:
    """An API token as people see it: never the secret, nor what is kept of it."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    workspace_id: UUID | None
    workspace: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class Kept:
    """What is needed to recognise a token: `good` unless it is revoked or expired."""

    id: UUID
    name: str
    hash: bytes
    scopes: list[str]
    workspace_id: UUID | None
    good: bool
    used_lately: bool


def add(connection: Postgres, values: dict[str, Any]) -> None:
    """Writes a token: id, name, prefix, hash, scopes, workspace_id, expires_at."""
    connection.execute(
        """
        insert into api_tokens (id, name, prefix, hash, scopes, workspace_id, expires_at)
        values (%(id)s, %(name)s, %(prefix)s, %(hash)s, %(scopes)s, %(workspace_id)s, %(expires_at)s)
        """,
        values,
    )


def lock_making(connection: Postgres) -> None:
    """Nobody else who asks for this makes a token before this transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s)", [_MAKING])


def by_prefix(connection: Postgres, prefix: str) -> Kept | None:
    """The token that begins so."""
    with connection.cursor(row_factory=class_row(Kept)) as cursor:
        return cursor.execute(
            """
            select id, name, hash, scopes, workspace_id,
                   revoked_at is null and (expires_at is null or expires_at > now()) as good,
                   last_used_at is not null and last_used_at > now() - interval '1 minute' as used_lately
              from api_tokens where prefix = %s
            """,
            [prefix],
        ).fetchone()


def is_good(connection: Postgres, token: UUID) -> bool:
    """Whether it opens anything now: it is neither revoked nor expired."""
    row = connection.execute(
        "select revoked_at is null and (expires_at is null or expires_at > now()) from api_tokens where id = %s",
        [token],
    ).fetchone()
    return row == (True,)


def used(connection: Postgres, token: UUID) -> None:
    """Writes that it was used now."""
    connection.execute("update api_tokens set last_used_at = now() where id = %s", [token])


def revoke(connection: Postgres, token: UUID) -> bool:
    """Ends a token; False where it had ended already."""
    told = connection.execute("update api_tokens set revoked_at = now() where id = %s and revoked_at is null", [token])
    return told.rowcount == 1


def any_good(connection: Postgres) -> bool:
    """Whether anybody could come in with a token."""
    row = connection.execute(
        "select exists (select from api_tokens where revoked_at is null and (expires_at is null or expires_at > now()))"
    ).fetchone()
    return row == (True,)


def get(connection: Postgres, token: UUID) -> ApiToken | None:
    """One token, or None."""
    found = _listing(connection, token, None, 1)
    return found[0] if found else None


def page(connection: Postgres, after: UUID | None, most: int) -> list[ApiToken]:
    """Tokens in the order they were made, revoked ones too; `after` is the last one of the page before."""
    return _listing(connection, None, after, most)


def _listing(connection: Postgres, one: UUID | None, after: UUID | None, most: int) -> list[ApiToken]:
    with connection.cursor(row_factory=class_row(ApiToken)) as cursor:
        return cursor.execute(
            """
            select t.id, t.name, t.prefix, t.scopes, t.workspace_id, w.name as workspace, t.created_at, t.expires_at,
                   t.last_used_at, t.revoked_at
              from api_tokens t left join workspaces w on w.id = t.workspace_id
             where (%(one)s::uuid is null or t.id = %(one)s) and (%(after)s::uuid is null or t.id > %(after)s)
             order by t.id limit %(most)s
            """,
            {"one": one, "after": after, "most": most},
        ).fetchall()
