"""Callers are recognised by a token, or by the cookie of a browser that signed in with one."""

import logging
import os
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from hmac import compare_digest
from math import ceil

from console.callers import Caller
from console.problems import Problem
from shared.events import event
from shared.rules.scopes import SECRET_BYTES, hash_of, is_of, may_be_one, prefix_of, reached, written
from shared.store import api_tokens, sign_ins
from shared.store.connection import Database, Postgres

LASTS = timedelta(hours=12)
MOST_FAILURES = 20
_WINDOW = timedelta(minutes=1)
_NOBODYS = hash_of("nobody's")
_ASK = {"WWW-Authenticate": 'Bearer realm="slotbeat"'}


def by_token(database: Database, text: str, client: str) -> Caller:
    """Whose token this is; 401 for nobody's, and 429 where an address shows too many of those.

    A token that is right comes in whatever was tried before it: 256 bits cannot be guessed, and where callers
    share an address, one with an old token must not lock out the others.
    """
    connection = database.connection()
    found = _known(connection, text) if may_be_one(text) else None
    if found is not None:
        return found
    event("sign_in.failed", level=logging.WARNING, client=client, prefix=prefix_of(text) if may_be_one(text) else None)
    failures, left_s = sign_ins.count_failure(connection, client, _WINDOW)
    if failures > MOST_FAILURES:
        wait_s = max(1, ceil(left_s))
        detail = f"{failures} wrong tokens came from your address within a minute. Come again in {wait_s} s."
        raise Problem(429, "too_many_failures", detail, headers={"Retry-After": str(wait_s)})
    detail = "There is no such token, or it was revoked or has expired. An admin makes one: slotbeat token create."
    raise Problem(401, "token_wrong", detail, headers=_ASK)


def token_needed() -> Problem:
    """401: nobody comes in here without a token."""
    detail = "A token is needed here: send the header Authorization: Bearer TOKEN, or set SLOTBEAT_TOKEN."
    return Problem(401, "token_needed", detail, headers=_ASK)


def by_cookie(database: Database, cookie: str) -> Caller | None:
    """Who signed in with this cookie, as long as the token is good; None where that is over."""
    connection = database.connection()
    prefix = sign_ins.prefix_of(connection, hash_of(cookie)) if may_be_one(cookie) else None
    kept = None if prefix is None else api_tokens.by_prefix(connection, prefix)
    if kept is None or not kept.good:
        return None
    return replace(_caller(connection, kept), csrf=csrf_of(cookie))


def sign_in(database: Database, text: str, client: str) -> str:
    """The cookie of a browser whose person has this token."""
    caller = by_token(database, text, client)
    assert caller.token is not None
    cookie = written(os.urandom(SECRET_BYTES))
    sign_ins.add(database.connection(), hash_of(cookie), caller.token, LASTS)
    return cookie


def sign_out(database: Database, cookie: str) -> None:
    """Nobody is let in with this cookie any more."""
    sign_ins.remove(database.connection(), hash_of(cookie))


def csrf_of(cookie: str) -> str:
    """What only a page of ours knows of a cookie: it stands in each form."""
    return blake2b(cookie.encode(), digest_size=24, person=b"slotbeat csrf").hexdigest()


def check_csrf(caller: Caller, told: str | None) -> None:
    """403 for a change by a browser that signed in, unless one of our pages sent it."""
    if caller.csrf is not None and not compare_digest(caller.csrf, (told or "").encode("ascii", "replace").decode()):
        detail = "This was not sent from a page of this dashboard, or you signed in again since. Load the page anew."
        raise Problem(403, "csrf", detail)


def _known(connection: Postgres, text: str) -> Caller | None:
    kept = api_tokens.by_prefix(connection, prefix_of(text))
    # Compared also where there is nothing to compare with: the answer takes as long.
    same = is_of(text, _NOBODYS if kept is None else bytes(kept.hash))
    return _caller(connection, kept) if kept is not None and same and kept.good else None


def _caller(connection: Postgres, kept: api_tokens.Kept) -> Caller:
    if not kept.used_lately:
        api_tokens.used(connection, kept.id)
    return Caller(kept.name, kept.id, reached(kept.scopes), kept.workspace_id)
