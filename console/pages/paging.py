"""Where the next part of a listing begins, as an address says it."""

from datetime import datetime
from uuid import UUID

from fastapi import Request


def cursor_of(text: str) -> tuple[datetime, UUID] | None:
    """The moment and id of the last one of the part before; None for the first part, and for what is no cursor."""
    at, _, last = text.partition("~")
    try:
        return datetime.fromisoformat(at), UUID(last)
    except ValueError:
        return None


def older_than(request: Request, at: datetime, last: UUID) -> str:
    """The query of the next part of this page's listing."""
    kept = request.url.remove_query_params(["before", "said", "of"])
    return kept.include_query_params(before=f"{at.isoformat()}~{last}").query
