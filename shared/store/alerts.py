"""What people are to be told: written beside the deed, sent later by a task of its own."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.store.connection import Postgres


def add(connection: Postgres, kind: str, title: str, body: str, **about: UUID | None) -> None:
    """One alert to send; the same kind about the same thing within an hour is one alert."""
    add_of(connection, kind, title, body, _thing(about), **about)


def dedupe_key(kind: str, **about: UUID | None) -> str:
    """What is one alert an hour."""
    return f"{kind}:{_thing(about)}"


def _thing(about: Mapping[str, UUID | None]) -> str:
    return str(about.get("schedule") or about.get("workspace") or about.get("firing") or "")


def add_of(connection: Postgres, kind: str, title: str, body: str, thing: str, **about: UUID | None) -> None:
    """One alert to send, about something that has a name of its own, such as a class of failures."""
    values: dict[str, Any] = {"workspace": None, "schedule": None, "firing": None, **about}
    dedupe = f"{kind}:{thing}"
    connection.execute(
        """
        insert into alerts (id, dedupe_key, kind, title, body, workspace_id, schedule_id, firing_id)
        select %(id)s, %(dedupe)s, %(kind)s, %(title)s, %(body)s, %(workspace)s, %(schedule)s, %(firing)s
         where not exists (select from alerts where dedupe_key = %(dedupe)s and at > now() - interval '1 hour')
        """,
        {"id": uuid7(), "dedupe": dedupe, "kind": kind, "title": title, "body": body, **values},
    )
