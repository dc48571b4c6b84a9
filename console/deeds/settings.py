"""Settings are read with their source, and written as text that the settings table keeps."""

import json
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from console.deeds.limits import set_cap
from console.problems import Problem, Wrong, invalid
from shared.admission import Admission
from shared.rules.text import one_line
from shared.settings import BadSetting, Setting, Settings, environment_name, is_here_only, is_secret, parse, resolve
from shared.store import activity, limits
from shared.store import settings as table
from shared.store.connection import Database

MAX_CONCURRENT = "max_concurrent"


def every(database: Database) -> list[Setting]:
    """Every setting as it stands; of a secret only whether it is set."""
    stored = table.load(database.connection())
    found = [_in_force(it, stored) for it in resolve(os.environ, stored)]
    return [replace(it, value="(set)") if it.value and is_secret(it.key) else it for it in found]


def one(database: Database, key: str) -> Setting:
    """One setting as it stands."""
    found = [it for it in every(database) if it.key == key]
    if not found:
        raise Problem(404, "not_found", f"There is no setting {one_line(key)}. See `slotbeat settings`.")
    return found[0]


def _in_force(it: Setting, stored: Mapping[str, str]) -> Setting:
    """The fleet's cap stands in one place, where the last to write it wins: a variable hides nothing there."""
    if it.key != MAX_CONCURRENT or it.source != "environment" or it.key not in stored:
        return it
    cap = parse(it.key, stored[it.key])
    return it if cap == it.value else replace(it, value=cap, source="table")


def write(admission: Admission, key: str, value: Any, actor: str) -> Setting:
    """Writes a setting; the fleet's cap goes where caps stand, and at once into the gate."""
    before = one(admission.database, key)
    if is_here_only(key):
        raise _bad(f"{key} is set where workers and API run, and nowhere else: use {environment_name(key)} there.")
    text = _text(key, value)
    if key == MAX_CONCURRENT:
        set_cap(admission, limits.FLEET, parse(key, text), actor)
    with admission.database.transaction() as connection:
        if key != MAX_CONCURRENT:
            table.store(connection, key, text, actor)
        body = {"key": key, "value": value, "before": before.value}
        activity.add(connection, activity.Deed("setting_changed", actor, body))
    return one(admission.database, key)


def _text(key: str, value: Any) -> str:
    """The value as the table has it; a Problem for one of another type, or out of bounds."""
    known = next(it for it in fields(Settings) if it.name == key)
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    if not _is_of(known.type, known.default, value):
        like = json.dumps(7 if known.default is None else known.default)
        raise _bad(f"{key} takes a value like {like}, as JSON has it: a number or true without quotes.")
    if "\0" in text or any("\ud800" <= it <= "\udfff" for it in text):
        raise _bad(f"{key} takes text without NUL and lone surrogates.")
    try:
        parse(key, text)
    except BadSetting as error:
        raise _bad(f"{error}.") from error
    return text


def _is_of(kind: Any, default: Any, value: Any) -> bool:
    if value is None:
        return default is None
    if kind in (bool, str):
        return isinstance(value, kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(message: str) -> Problem:
    return invalid(Wrong("value", "setting", message))
