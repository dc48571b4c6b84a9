"""Listings in parts: what comes after a part is told by an opaque cursor."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from console.problems import Wrong, invalid

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """A part of a listing; `next_cursor` is null at its end."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    items: list[Item]
    next_cursor: str | None


def listing(found: Sequence[Item], limit: int, cursor_of: Callable[[Item], str]) -> Listing[Item]:
    """The first `limit` of what was found; give it one more than that, so that it knows whether there is more."""
    more = len(found) > limit
    items = list(found[:limit])
    return Listing(items=items, next_cursor=sealed(cursor_of(items[-1])) if more else None)


def part(found: Sequence[Item], limit: int, cursor: str | None, key_of: Callable[[Item], str]) -> Listing[Item]:
    """The same of a listing that is there as a whole; one whose cursor's item is gone begins anew."""
    after = opened(cursor)
    keys = [key_of(it) for it in found]
    start = keys.index(after) + 1 if after in keys else 0
    return listing(found[start : start + limit + 1], limit, key_of)


def sealed(text: str) -> str:
    """A cursor that says this."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def opened(cursor: str | None) -> str | None:
    """What a cursor of ours says; a Problem for what is none."""
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise bad_cursor() from error


def id_after(cursor: str | None) -> UUID | None:
    """The id that a cursor says."""
    text = opened(cursor)
    try:
        return None if text is None else UUID(text)
    except ValueError as error:
        raise bad_cursor() from error


def number_after(cursor: str | None) -> int | None:
    """The number that a cursor says."""
    text = opened(cursor)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise bad_cursor()
    return int(text)


def moment_and_id_after(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The moment and the id that a cursor says."""
    text = opened(cursor)
    if text is None:
        return None
    try:
        moment, _, known = text.partition("|")
        found = datetime.fromisoformat(moment)
        if found.tzinfo is None:
            raise ValueError(moment)
        return found, UUID(known)
    except ValueError as error:
        raise bad_cursor() from error


def bad_cursor() -> Exception:
    """422: no cursor of ours."""
    return invalid(Wrong("cursor", "cursor", "cursor must be a next_cursor from a listing, as it stood there."))
