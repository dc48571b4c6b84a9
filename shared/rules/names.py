"""Which names people may give to things."""

import re
import unicodedata

from shared.rules.refused import RefusedValueError
from shared.rules.text import one_line

LONGEST_NAME = 200
LONGEST_LANE = 100
_LIMIT_KEY = re.compile(r"fleet|workspace:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|lane:.{1,100}")


def name_of(text: str, field: str = "name", longest: int = LONGEST_NAME) -> str:
    """The name, trimmed and composed (NFC); RefusedValueError if it is empty, too long or unprintable."""
    if one_line(text) != text:
        raise RefusedValueError(
            field, "name_characters", f"{field} has control, direction or invisible characters: take them out."
        )
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= longest:
        raise RefusedValueError(field, "name_length", f"{field} takes 1 to {longest} characters, not {len(name)}.")
    return name


def limit_key(text: str) -> str:
    """The key of a limit; RefusedValueError for what is none."""
    if not _LIMIT_KEY.fullmatch(text) or one_line(text) != text:
        raise RefusedValueError(
            "key", "limit_key", "A limit is fleet, workspace:ID or lane:NAME (1 to 100 printable characters)."
        )
    return text
