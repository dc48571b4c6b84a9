"""What a request body may be, decided before anything of it is used: JSON, small, flat, finite, valid UTF-8."""

import json
import math
from typing import Any, NoReturn

from console.problems import Problem, Wrong, invalid
from shared.rules.text import MAX_DEPTH

LARGEST_BODY = 1024 * 1024


def check_body(body: bytes) -> None:
    """Raises the Problem of a body that is not to be used: 400 for its syntax, 422 for a number out of range."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"The body is not valid UTF-8 (at byte {error.start}). Send JSON in UTF-8."
        raise Problem(400, "not_utf8", detail) from error
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once_each)
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, "not_json", f"The body is not JSON: {error.msg} ({where}).") from error
    except ValueError as error:
        # Python refuses to read an integer of more than 4,300 digits.
        raise _out_of_range() from error
    if not isinstance(value, dict):
        raise Problem(400, "not_an_object", "The body must be a JSON object, for example {}.")
    _check_depth(value)


def _no_constant(name: str) -> NoReturn:
    raise Problem(400, "not_json", f"{name} is not JSON. Send a number, or null.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _out_of_range()
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem(400, "not_json", "A field is given twice in one object. Give it once.")
    return found


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for it in level for inner in _inside(it)]
        if not level:
            return
    raise _too_deep()


def _inside(container: Any) -> list[Any]:
    values: Any = container.values() if isinstance(container, dict) else container
    return [it for it in values if isinstance(it, dict | list)]


def _too_deep() -> Problem:
    return Problem(400, "too_deep", f"The body is nested deeper than {MAX_DEPTH} levels. Make it flatter.")


def _out_of_range() -> Problem:
    return invalid(Wrong("", "number_out_of_range", "A number in the body is too large. Send a smaller one."))
