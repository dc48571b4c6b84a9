"""Makes text from outside safe to store and safe to show."""

import math
import re
from collections.abc import Mapping
from typing import TypeAlias, cast

MAX_DEPTH = 32
MAX_INT_BITS = 4096  # Python refuses to print an int of more than 4,300 digits

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# C0, DEL, C1; then marks that reorder or hide text. The zero-width joiner stays: emoji are made with it.
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Container: TypeAlias = dict[object, object] | list[object] | tuple[object, ...]


def clean(text: str | bytes) -> str:
    """The text as Postgres can store it: invalid UTF-8, lone surrogates and NUL become U+FFFD."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    return _UNSTORABLE.sub("\ufffd", text)


def clean_json(value: object, depth: int = MAX_DEPTH) -> Json:
    """The value as jsonb can store it, keys too.

    NaN and the infinities become the strings that name them; what lies deeper than `depth` containers
    becomes "…"; what JSON does not know becomes its text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _clean_number(value)
    if isinstance(value, dict | list | tuple):
        return _clean_container(cast(Container, value), depth - 1) if depth > 0 else "…"
    return _clean_other(value)


def one_line(text: str | bytes, limit: int = 0) -> str:
    """The text for one line of a terminal or a log; `limit` is in characters, 0 for all of it.

    Control and ANSI characters, line separators, direction overrides and invisible marks show as escapes.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    return _UNSHOWABLE.sub(_escape, text)


def words_of(said: Mapping[str, object]) -> str:
    """What an event of a payload says to people: its text, else its facts."""
    for name in ("text", "message"):
        if isinstance(text := said.get(name), str):
            return text
    facts = ", ".join(f"{key} {value}" for key, value in said.items() if key not in ("type", "name"))
    return f"{said.get('name', '')} {facts}".strip()


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}")


def _clean_container(value: Container, depth: int) -> Json:
    if isinstance(value, dict):
        return {_clean_other(key): clean_json(item, depth) for key, item in value.items()}
    return [clean_json(item, depth) for item in value]


def _clean_other(value: object) -> str:
    return clean(value) if isinstance(value, str | bytes) else clean(str(value))


def _clean_number(value: int | float) -> Json:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value.bit_length() <= MAX_INT_BITS else f"an integer of {value.bit_length()} bits"
