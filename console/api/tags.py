"""ETag and If-Match: which revision of a thing was read, and for which an edit is meant."""

import re
from typing import Annotated

from fastapi import Header

IfMatch = Annotated[
    str | None, Header(description="The ETag of what you read, so that nobody else's edit is lost.", max_length=1000)
]

# A weak tag says that two things are much the same, which is not enough for an edit.
_STRONG = re.compile(r'(?<!W/)"([\x21\x23-\x7e]*)"')


def quoted(tag: object) -> str:
    """An ETag."""
    return f'"{tag}"'


def wanted(if_match: str | None) -> frozenset[str] | None:
    """The tags that an edit is for; None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(_STRONG.findall(if_match))
