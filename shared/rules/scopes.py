"""What an API token looks like, what is kept of it, and how far its scopes reach."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from enum import StrEnum

SECRET_BYTES = 32
SHORTEST = 32
_LONGEST = 200
_BEGINNING = "sb_"
_SHOWN = 11


class Scope(StrEnum):
    """What a caller may do; each takes in those before it."""

    READ = "read"
    OPERATE = "operate"
    FORCE = "force"
    ADMIN = "admin"


EVERY = tuple(Scope)


def reached(held: Iterable[str]) -> frozenset[Scope]:
    """All scopes that some scopes take in."""
    highest = max((EVERY.index(Scope(it)) for it in held), default=-1)
    return frozenset(EVERY[: highest + 1])


def written(secret: bytes) -> str:
    """An API token as people see it, once."""
    return _BEGINNING + urlsafe_b64encode(secret).decode().rstrip("=")


def may_be_one(text: str) -> bool:
    """Whether it can be an API token at all; an attempt's token, which is a number, cannot."""
    return SHORTEST <= len(text) <= _LONGEST and text.isascii() and text.isprintable() and not text.isdigit()


def prefix_of(text: str) -> str:
    """By which a token is looked up and recognised; it opens nothing."""
    return text[:_SHOWN]


def hash_of(text: str) -> bytes:
    """What is kept of a secret of 256 random bits: a slow hash would protect nothing more."""
    return hashlib.sha256(text.encode()).digest()


def is_of(text: str, kept: bytes) -> bool:
    """Whether this is the secret of which that is kept, in constant time."""
    return hmac.compare_digest(hash_of(text), kept)
