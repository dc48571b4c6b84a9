"""The kinds of values that the API takes: strict, bounded, said in words when they are not."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from pydantic_core import PydanticCustomError

from shared.rules.names import LONGEST_LANE, name_of
from shared.rules.refused import RefusedValueError
from shared.rules.text import clean, one_line

LARGEST_PROMPT = 256 * 1024
_DAY_S = 86_400
_BIGINT = 2**63 - 1
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# The + of an offset, as a query says it that nobody escaped.
_PLUS = re.compile(r"([Tt ]\d\d:\d\d[\d:.]*) (\d\d:\d\d)$", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d([Tt ][\d:.]+)?", re.ASCII)
_EARLIEST, _LATEST = 1971, 9990

_Value = TypeVar("_Value")


class Body(BaseModel):
    """What every request body is: fields that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", str_max_length=LARGEST_PROMPT)


def by_rule(rule: Callable[[Any], _Value]) -> Callable[[Any], _Value]:
    """A rule's refusal, told the way validators tell it."""

    def check(value: Any) -> _Value:
        try:
            return rule(value)
        except RefusedValueError as error:
            # Braces in the text would be taken for its arguments.
            raise PydanticCustomError(error.code, "{message}", {"message": error.message}) from error  # pyright: ignore[reportArgumentType]

    return check


def _instant(value: Any) -> datetime:
    text = value if isinstance(value, str) else ""
    if _NAIVE.fullmatch(text):
        raise PydanticCustomError("instant_needs_offset", "needs an offset, for example 2026-03-29T02:30:00+02:00")
    try:
        found = datetime.fromisoformat(text.upper()) if _INSTANT.fullmatch(text) else None
        if found is not None and _EARLIEST <= found.year <= _LATEST:
            return found.astimezone(UTC)
    except ValueError:
        pass
    raise PydanticCustomError("instant", "is no moment: write it as in 2026-03-29T02:30:00+02:00")


def _asked_instant(value: Any) -> Any:
    return _PLUS.sub(r"\1+\2", value) if isinstance(value, str) else value


def _prompt(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = clean(value)
    if len(text.encode()) > LARGEST_PROMPT:
        raise PydanticCustomError("prompt_length", "takes at most 256 KiB in UTF-8: put the rest into a file")
    return text


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        plain = not re.search(r"[\s\\]", value) and one_line(value) == value and value.isascii()
        if good and plain and parts.username is None and parts.password is None:
            return value
    except ValueError:
        pass
    raise PydanticCustomError("url", "is no address: write http:// or https://, a host, no user and no spaces")


def _text(value: str) -> str:
    return clean(value)


# Strings first of all: a bool, a number or null is none of them.
Name = Annotated[str, AfterValidator(by_rule(name_of))]
Title = Annotated[str, AfterValidator(by_rule(lambda it: name_of(it, "title")))]
Lane = Annotated[str, AfterValidator(by_rule(lambda it: name_of(it, "lane", LONGEST_LANE)))]
Prompt = Annotated[str, BeforeValidator(_prompt)]
Note = Annotated[str, BeforeValidator(_prompt), Field(max_length=500)]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_url)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
AskedInstant = Annotated[Instant, BeforeValidator(_asked_instant)]
# Numbers as numbers: true is none, 2.5 is no whole one, "2" is a text.
Seconds = Annotated[StrictInt, Field(ge=0, le=_DAY_S)]
SomeSeconds = Annotated[StrictInt, Field(ge=1, le=_DAY_S)]
Turns = Annotated[StrictInt, Field(ge=1, le=1000)]
Attempts = Annotated[StrictInt, Field(ge=1, le=20)]
Priority = Annotated[StrictInt, Field(ge=0, le=9)]
Cap = Annotated[StrictInt, Field(ge=0, le=10_000)]
Count = Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]
Amount = Annotated[StrictInt, Field(ge=1, le=_BIGINT)]
Flag = StrictBool
