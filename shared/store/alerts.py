"""What people are to be told: written beside the deed, sent later by a task of its own."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.store.connection import Postgres


def add(connection: Postgres, kind: str, title: str, body: str, **about: UUID | None) -> None:
    """One alert to send; the same kind about the same thing within an hour is one alert."""
    values: dict[str, Any] = {"workspace": None, "schedule": None, "firing": None, **about}
    dedupe = f"{kind}:{values['schedule'] or values['workspace'] or values['firing'] or ''}"
    connection.execute(
        """
        insert into alerts (id, dedupe_key, kind, title, body, workspace_id, schedule_id, firing_id)
        select %(id)s, %(dedupe)s, %(kind)s, %(title)s, %(body)s, %(workspace)s, %(schedule)s, %(firing)s
         where not exists (select from alerts where dedupe_key = %(dedupe)s and at > now() - interval '1 hour')
        """,
        {"id": uuid7(), "dedupe": dedupe, "kind": kind, "title": title, "body": body, **values},
    )
