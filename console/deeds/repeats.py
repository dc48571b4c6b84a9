"""A request that is repeated under its key is done once, whoever serves it."""

from collections.abc import Callable
from uuid import UUID

from psycopg.errors import LockNotAvailable

from console.problems import Problem, Wrong, invalid
from shared.store import idempotency
from shared.store.connection import Database
from shared.store.idempotency import Repeat


def once(database: Database, repeat: Repeat | None, act: Callable[[], UUID]) -> tuple[UUID, bool]:
    """What `act` makes, or what the same request made before, and whether it was made before.

    `act` keeps the key in the transaction in which it makes something, so that neither is there without the other.
    """
    if repeat is None:
        return act(), False
    connection = database.connection()
    try:
        with idempotency.alone(connection, repeat):
            done = idempotency.find(connection, repeat)
            if done is None:
                return act(), False
    except LockNotAvailable as error:
        detail = "A request with this Idempotency-Key is still being answered. Send it again in some seconds."
        raise Problem(409, "request_in_progress", detail, headers={"Retry-After": "5"}) from error
    if bytes(done.request_hash) != repeat.request_hash:
        told = "Idempotency-Key was used for another request. Draw a new key for each thing that you want done."
        raise invalid(Wrong("Idempotency-Key", "idempotency_key_reused", told))
    return done.made, True
