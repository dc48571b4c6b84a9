"""API tokens are made and revoked."""

import os
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation
from uuid_utils.compat import uuid7

from console.problems import Problem, Wrong, invalid, not_found
from shared.rules.scopes import EVERY, SECRET_BYTES, SHORTEST, Scope, hash_of, is_of, may_be_one, prefix_of, written
from shared.store import activity, api_tokens, schedules, workspaces
from shared.store.api_tokens import ApiToken
from shared.store.connection import Database

VARIABLE = "SLOTBEAT_ADMIN_TOKEN"
_OF_VARIABLE = "environment"


@dataclass(frozen=True)
class Wish:
    """What a token is to be called, may do, where, and until when."""

    name: str
    scopes: frozenset[Scope]
    workspace: UUID | None = None
    expires_at: datetime | None = None


def create(database: Database, wish: Wish, actor: str) -> tuple[ApiToken, str]:
    """Makes a token; its text is answered here and never again."""
    text = written(os.urandom(SECRET_BYTES))
    return _keep(database, wish, text, actor), text


def revoke(database: Database, token: UUID, actor: str) -> None:
    """Ends a token and every sign-in with it; one that has ended stays so."""
    with database.transaction() as connection:
        known = api_tokens.get(connection, token)
        if known is None:
            raise not_found("token", token)
        if api_tokens.revoke(connection, token):
            body = {"token_id": str(token), "name": known.name}
            activity.add(connection, activity.Deed("token_revoked", actor, body, workspace=known.workspace_id))


def keep_environments(database: Database, text: str) -> None:
    """Makes the token that the environment gives one of ours, an admin's; a new one takes the old one's place."""
    if not may_be_one(text):
        raise ValueError(f"{VARIABLE} takes {SHORTEST} to 200 printable characters, and not digits only")
    with database.transaction() as connection:
        # Of several processes that start at once, one makes it.
        api_tokens.lock_making(connection)
        known = api_tokens.by_prefix(connection, prefix_of(text))
        if known is not None:
            if not known.good or not is_of(text, bytes(known.hash)):
                raise ValueError(f"the token in {VARIABLE} was revoked or is another's: choose another")
            return
        for it in api_tokens.page(connection, None, 100_000):
            if it.name == _OF_VARIABLE and it.revoked_at is None:
                revoke(database, it.id, VARIABLE)
        _keep(database, Wish(_OF_VARIABLE, frozenset(EVERY)), text, VARIABLE)


def _keep(database: Database, wish: Wish, text: str, actor: str) -> ApiToken:
    made = uuid7()
    values = {
        "id": made,
        "name": wish.name,
        "prefix": prefix_of(text),
        "hash": hash_of(text),
        "scopes": [it.value for it in EVERY if it in wish.scopes],
        "workspace_id": wish.workspace,
        "expires_at": wish.expires_at,
    }
    try:
        with database.transaction() as connection:
            if wish.workspace is not None and workspaces.get(connection, wish.workspace) is None:
                told = f"There is no workspace {wish.workspace}. List them with GET /api/workspaces."
                raise invalid(Wrong("workspace_id", "workspace_unknown", told))
            if wish.expires_at is not None and wish.expires_at <= schedules.now(connection):
                raise invalid(Wrong("expires_at", "expires_past", "expires_at has passed: give a later moment."))
            api_tokens.add(connection, values)
            body = {"token_id": str(made), "name": wish.name, "scopes": values["scopes"]}
            activity.add(connection, activity.Deed("token_created", actor, body, workspace=wish.workspace))
            found = api_tokens.get(connection, made)
    except UniqueViolation as error:
        detail = f"There is a token {wish.name} already. Revoke that one, or choose another name."
        raise Problem(409, "name_taken", detail) from error
    assert found is not None
    return found
