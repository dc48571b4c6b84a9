"""Schedules as a file has them: YAML with what JSON knows, names in place of ids, defaults left out."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from console.cli.failures import USAGE, Failure

LARGEST_FILE = 4 * 1024 * 1024
_MOST_VALUES = 200_000
# As the API fills them in.
DEFAULTS: dict[str, Any] = {
    "kind": "scheduled", "cron": None, "run_at": None, "timezone": "UTC", "prompt": "", "priority": 5, "lane": None,
    "overlap": "skip", "missed": "latest", "start_deadline_s": None, "jitter_s": 0, "start_at": None, "end_at": None,
    "remaining_runs": None, "max_turns": None, "max_run_seconds": None, "max_attempts": 1, "retry_backoff_s": 30,
    "daily_turn_budget": None, "budget_turns": None, "budget_tokens": None, "budget_micros": None,
    "success_check": None, "alert_after_s": None,
}  # fmt: skip
_FIRST = ("workspace", "name")


class _Loader(yaml.SafeLoader):
    """Reads what JSON knows: no dates (`2026-03-29`), no sixties (`12:30`), no yes and no; each key once."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # pyright: ignore[reportIncompatibleVariableOverride]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        told = super().construct_mapping(node, deep)
        if len(told) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a field is given twice", node.start_mark)
        return told


for _tag, _form, _begins in (
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", "tf"),
    ("tag:yaml.org,2002:null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("tag:yaml.org,2002:int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("tag:yaml.org,2002:float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?$", "-0123456789"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_form), list(_begins))


class _Dumper(yaml.SafeDumper):
    """Writes long texts as blocks, and everything in the order it was given."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 its own signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # What this writes plain, the loader above reads as text: it knows less than YAML does.
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, "|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def read(path: str) -> list[dict[str, Any]]:
    """The schedules that a file declares; a Failure that says where it is wrong."""
    text = _content(path)
    try:
        told = yaml.load(text, _Loader)  # noqa: S506 it is a safe loader that knows less
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Failure(f"{path}{where}: {getattr(error, 'problem', None) or error}.", USAGE) from error
    except (RecursionError, ValueError) as error:
        raise Failure(f"{path} is no YAML that a schedule could be in: {error}.", USAGE) from error
    them = told.get("schedules") if isinstance(told, dict) and set(told) == {"schedules"} else None
    if not isinstance(them, list) or not all(isinstance(it, dict) for it in them):
        raise Failure(
            f"{path}: write one list, schedules:, and nothing beside it; `slotbeat schedule export` shows how.", USAGE
        )
    _check(path, them)
    return them


def _content(path: str) -> bytes:
    try:
        if path == "-":
            text = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(path).open("rb") as file:
                text = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}.", USAGE) from error
    if len(text) > LARGEST_FILE:
        raise Failure(f"{path} is larger than {LARGEST_FILE} bytes. Split it.", USAGE)
    return text


def _check(path: str, them: list[dict[str, Any]]) -> None:
    level: list[Any] = list(them)
    seen = 0
    while level:
        # An alias within an alias within an alias is short to write and endless to send.
        seen += len(level)
        if seen > _MOST_VALUES:
            raise Failure(f"{path} declares more than {_MOST_VALUES} values. Split it.", USAGE)
        level = [
            inner
            for it in level
            for inner in (it.values() if isinstance(it, dict) else it if isinstance(it, list) else ())
        ]
    if any("workspace_id" in it for it in them):
        raise Failure(f"{path}: There is no field workspace_id in a file. Write workspace: and its name.", USAGE)
    names = [tuple(it.get(name) for name in _FIRST) for it in them]
    for at, (place, name) in enumerate(names):
        if not isinstance(place, str) or not isinstance(name, str):
            raise Failure(f"{path}: schedule {at + 1} needs workspace: and name:, both text.", USAGE)
        if names.index((place, name)) != at:
            raise Failure(f"{path}: {place}/{name} is there twice. Keep one.", USAGE)


def written(declared: Mapping[str, Any]) -> str:
    """As YAML."""
    return yaml.dump(declared, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def as_declared(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule of the API as a file has it: what a person wrote, without what is the default anyhow."""
    more = {name: schedule[name] for name, usual in DEFAULTS.items() if schedule[name] != usual}
    return {**{name: schedule[name] for name in _FIRST}, **more, "target": schedule["target"]}
