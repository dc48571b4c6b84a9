"""ETag, If-Match and If-None-Match: what was read, for which revision an edit is meant, whether anything is new."""

import re
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import Header, Response

IfMatch = Annotated[
    str | None, Header(description="The ETag of what you read, so that nobody else's edit is lost.", max_length=1000)
]
IfNoneMatch = Annotated[
    str | None, Header(description="The ETag of what you have: 304 where it is still the same.", max_length=1000)
]
# Kept by whoever asked, and asked for again each time.
CACHED = {"Cache-Control": "private, no-cache"}
# What a description says of an address that knows If-None-Match.
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as you have it"}}

# A weak tag says that two things are much the same, which is not enough for an edit.
_STRONG = re.compile(r'(?<!W/)"([\x21\x23-\x7e]*)"')
_ANY = re.compile(r'"([\x21\x23-\x7e]*)"')


def tag(edited: object, found: object) -> str:
    """The ETag of a thing: what of it people edit, then a hash of all of it, which moves by itself too."""
    return f'"{edited}.{blake2b(repr(vars(found)).encode(), digest_size=6).hexdigest()}"'


def wanted(if_match: str | None) -> frozenset[str] | None:
    """What people edit, of the tags that an edit is for; None for any. What moved by itself is in nobody's way."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(it.partition(".")[0] for it in _STRONG.findall(if_match))


def has(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has what this tag is of."""
    told = (if_none_match or "").strip()
    return told == "*" or tag.strip('"') in _ANY.findall(told)


def unchanged(tag: str) -> Response:
    """304: nothing is sent."""
    return Response(status_code=304, headers={"ETag": tag, **CACHED})
