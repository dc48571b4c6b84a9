"""What a validator found wrong, in words that name the remedy."""

from typing import Any

from console.api.targets import KINDS
from shared.rules.text import one_line

_SHOWN_CHARACTERS = 40
# By what the validators call it; a word in braces is told by them.
_WORDS = {
    "int_type": "needs a whole number, for example 3",
    "int_parsing": "needs a whole number, for example 3",
    "int_from_float": "needs a whole number, for example 3",
    "float_type": "needs a number, for example 1.5",
    "float_parsing": "needs a number, for example 1.5",
    "bool_type": "needs true or false",
    "bool_parsing": "needs true or false",
    "string_type": "needs a text",
    "string_unicode": "has half of a character, which is no text: take it out",
    "list_type": 'needs a list, for example ["a", "b"]',
    "dict_type": 'needs an object, for example {{"name": "value"}}',
    "model_type": 'needs an object, for example {{"name": "value"}}',
    "model_attributes_type": 'needs an object, for example {{"name": "value"}}',
    "greater_than_equal": "takes {ge} or more, not {input}",
    "less_than_equal": "takes {le} or less, not {input}",
    "too_short": "needs {min_length} or more values",
    "too_long": "takes at most {max_length} values",
    "string_too_short": "needs {min_length} or more characters",
    "string_too_long": "takes at most {max_length} characters",
    "literal_error": "takes {expected}",
    "enum": "takes {expected}",
    "uuid_type": "needs an id, such as 01890000-0000-7000-8000-000000000000: a listing tells it",
    "uuid_parsing": "needs an id, such as 01890000-0000-7000-8000-000000000000: a listing tells it",
    "string_pattern_mismatch": "must look like {pattern}",
    "union_tag_not_found": f"needs a kind: {', '.join(KINDS[:-1])} or {KINDS[-1]}",
    "union_tag_invalid": "knows no kind {tag}: it takes {expected_tags}",
}


def in_words(told: Any) -> str:
    """What is wrong, as what follows the name of its field."""
    words = _WORDS.get(told["type"])
    if words is None:
        return one_line(str(told["msg"])).removesuffix(".")
    given = one_line(str(told["input"]), _SHOWN_CHARACTERS)
    return words.format(**told.get("ctx", {}), input=given)


def sentence(field: str, told: Any) -> str:
    """The same with its field, as a sentence."""
    words = in_words(told)
    if words.startswith(field) and field:
        return f"{words}."
    if not field:
        return f"{words[:1].upper()}{words[1:]}."
    return f"{field} {words}." if told["type"] in _WORDS else f"{field}: {words}."
