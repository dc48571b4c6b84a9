"""Browsers that signed in with a token, and who tried to in vain."""

from datetime import timedelta
from uuid import UUID

from shared.store.connection import Postgres


def add(connection: Postgres, kept: bytes, token: UUID, lasts: timedelta) -> None:
    """Writes a sign-in by the hash of its cookie, and forgets those that are over."""
    connection.execute("delete from sign_ins where expires_at < now()")
    connection.execute(
        "insert into sign_ins (hash, token_id, expires_at) values (%s, %s, now() + %s)", [kept, token, lasts]
    )


def prefix_of(connection: Postgres, kept: bytes) -> str | None:
    """The prefix of the token that somebody signed in with; None where that is over."""
    row = connection.execute(
        """
        select t.prefix from sign_ins s join api_tokens t on t.id = s.token_id
         where s.hash = %s and s.expires_at > now()
        """,
        [kept],
    ).fetchone()
    return None if row is None else row[0]


def remove(connection: Postgres, kept: bytes) -> None:
    """Ends a sign-in."""
    connection.execute("delete from sign_ins where hash = %s", [kept])


def count_failure(connection: Postgres, client: str, window: timedelta) -> tuple[int, float]:
    """Counts a failure of an address: how many since its window began, and in how many seconds that ends."""
    connection.execute("delete from failed_sign_ins where since < now() - %s and client <> %s", [window, client])
    row = connection.execute(
        """
        insert into failed_sign_ins as f (client, failures) values (%(client)s, 1)
        on conflict (client) do update
           set failures = case when f.since < now() - %(window)s then 1 else least(f.failures, 1000000) + 1 end,
               since = case when f.since < now() - %(window)s then now() else f.since end
        returning failures, extract(epoch from since + %(window)s - now())::float8
        """,
        {"client": client, "window": window},
    ).fetchone()
    assert row is not None
    return row[0], row[1]
