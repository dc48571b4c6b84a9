"""A schedule as a form has it, all text: made of values, and made into values again."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from console.pages.labels import LABELS, beside
from console.problems import Wrong
from shared.rules.refused import RefusedValueError
from shared.rules.zones import parse_zone, zone_or_utc

TEXTS = ("workspace_id", "name", "kind", "cron", "timezone", "prompt", "lane", "overlap", "missed")
NUMBERS = (
    *("priority", "start_deadline_s", "jitter_s", "remaining_runs", "max_turns", "max_run_seconds", "max_attempts"),
    *("retry_backoff_s", "daily_turn_budget", "budget_turns", "budget_tokens", "budget_micros", "alert_after_s"),
)
INSTANTS = ("run_at", "start_at", "end_at")
# What decides when it runs.
TIMING = ("kind", "cron", "timezone", "overlap", "missed", "jitter_s", "remaining_runs", "max_run_seconds", *INSTANTS)
# Of each kind of target: fields of plain text, numbers, and those written as JSON.
TARGETS: dict[str, dict[str, str]] = {
    "command": {"argv": "words", "cwd": "text", "adapter": "text", "env": "json"},
    "http": {
        "url": "text",
        "method": "text",
        "headers": "json",
        "body": "json",
        "prompt_field": "text",
        "timeout_s": "number",
    },
    "a2a": {"url": "text", "card_path": "text", "headers": "json"},
    "python": {"callable": "text", "kwargs": "json", "env": "json", "cwd": "text"},
    "celery": {
        "task": "text",
        "queue": "text",
        "broker_url": "secret",
        "result_backend": "secret",
        "args": "json",
        "kwargs": "json",
        "prompt_argument": "text",
    },
}
EMPTY = {
    "kind": "scheduled",
    "timezone": "UTC",
    "overlap": "skip",
    "missed": "latest",
    "priority": "5",
    "jitter_s": "0",
    "max_attempts": "1",
    "retry_backoff_s": "30",
    "target.kind": "command",
    "command.adapter": "generic",
    "http.method": "POST",
    "celery.queue": "celery",
    "celery.prompt_argument": "prompt",
}
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NEWLINE = re.compile(r"\r\n?|\n")
# Of all others a browser sends one line.
AREAS = ("prompt", "command.argv", "check.pattern", "check.argv")
# What was shown of runs left, which become fewer by themselves while a form is open.
RUNS_SHOWN = "remaining_runs.shown"


def text_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields of the form for a schedule's values."""
    found = {it: "" if values[it] is None else str(values[it]) for it in (*TEXTS, *NUMBERS)}
    zone = zone_or_utc(values["timezone"])
    found |= {it: "" if values[it] is None else _local(values[it], zone) for it in INSTANTS}
    target: dict[str, Any] = values["target"]
    kind = target.get("kind", "command")
    found["target.kind"] = kind
    for name, how in TARGETS.get(kind, {}).items():
        if name in target:
            found[f"{kind}.{name}"] = _written(target[name], how)
    check = values["success_check"] or {}
    found["check.pattern"] = check.get("pattern") or ""
    found["check.argv"] = shlex.join(check.get("argv") or [])
    found[RUNS_SHOWN] = found["remaining_runs"]
    return {**EMPTY, **found}


def _untouched(form: Mapping[str, str], known: Mapping[str, Any]) -> set[str]:
    """The fields that came back as they were shown."""
    shown = text_of(known)
    found = {it for it, text in shown.items() if form.get(it, "") == _sent(it, text)}
    if RUNS_SHOWN in form and form[RUNS_SHOWN] == form.get("remaining_runs", ""):
        found.add("remaining_runs")
    # The same text is another moment in another zone.
    return found if "timezone" in found else found - set(INSTANTS)


def _sent(name: str, shown: str) -> str:
    """What a browser makes of a text that nobody touches."""
    return _NEWLINE.sub("\n" if name in AREAS else "", shown)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    there = moment.astimezone(zone)
    return there.strftime("%Y-%m-%dT%H:%M" + (":%S" if there.second else ""))


def _written(value: Any, how: str) -> str:
    if how == "words":
        return shlex.join(value)
    if how == "json":
        return json.dumps(value, ensure_ascii=False) if value else ""
    if how == "secret":
        return str(value.get("$env", "")) if isinstance(value, dict) else ""
    return str(value)


def values_of(
    form: Mapping[str, str], known: Mapping[str, Any] | None = None, names: tuple[str, ...] | None = None
) -> tuple[dict[str, Any], list[Wrong]]:
    """What the fields say, as the API takes it, and what cannot be read; with `names`, of these alone.

    What is empty is left out. A number that is none stays text, so that it is refused with the words for that.
    A field that came back as it was shown of the `known` schedule says what that has: a form shows less than a
    value may hold, such as a moment's fraction of a second.
    """
    wanted = (*TEXTS, *NUMBERS, *INSTANTS) if names is None else names
    wrong: list[Wrong] = []
    kept = _kept(form, known) if known else {}
    found: dict[str, Any] = {}
    for name in wanted:
        text = form.get(name, "") if name == "prompt" else form.get(name, "").strip()
        value = kept[name] if name in kept else _value(name, text, form.get("timezone", "UTC")) if text else None
        if value is not None:
            found[name] = value
    _one_of(found)
    if names is None:
        found["target"] = _target(form, kept, wrong)
        check = _check(form, kept, wrong)
        if check:
            found["success_check"] = check
    return found, wrong


def _kept(form: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    """What nobody touched, by the fields of the form, as the API takes it; None for what the schedule has not."""
    target, check = known["target"], known["success_check"] or {}
    kind = target.get("kind", "command")
    has = {
        **{it: known[it] for it in (*TEXTS, *NUMBERS)},
        **{it: known[it] and known[it].isoformat() for it in INSTANTS},
        **{f"{kind}.{it}": target.get(it) for it in TARGETS.get(kind, {})},
        **{f"check.{it}": check.get(it) for it in ("pattern", "argv")},
    }
    same = _untouched(form, known)
    return {it: value for it, value in has.items() if it in same}


def _one_of(found: dict[str, Any]) -> None:
    """The times of the kind that was chosen: what was typed for the other one does not count."""
    found.pop("cron" if found.get("kind") == "once" else "run_at", None)


def _value(name: str, text: str, zone: str) -> Any:
    if name in NUMBERS:
        return int(text) if _WHOLE.fullmatch(text) else text
    if name in INSTANTS:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=parse_zone(zone)).isoformat()
        except (ValueError, RefusedValueError):
            return text
    return text


def _target(form: Mapping[str, str], kept: Mapping[str, Any], wrong: list[Wrong]) -> dict[str, Any]:
    kind = form.get("target.kind", "command")
    found: dict[str, Any] = {"kind": kind}
    for name, how in TARGETS.get(kind, {}).items():
        place = f"{kind}.{name}"
        text = form.get(place, "").strip()
        value = kept[place] if place in kept else _read(text, how, f"target.{name}", wrong) if text else None
        if value is not None:
            found[name] = value
    return found


def _read(text: str, how: str, field: str, wrong: list[Wrong]) -> Any:
    try:
        if how == "words":
            return shlex.split(text)
        if how == "json":
            return json.loads(text)
    except (ValueError, RecursionError) as error:
        needed = "a command line: close its quotes" if how == "words" else 'JSON, for example {"NAME": "value"}'
        wrong.append(Wrong(field, "unreadable", f"This is not {needed} ({error})."))
    if how == "number" and _WHOLE.fullmatch(text):
        return int(text)
    return {"$env": text} if how == "secret" else text


def _check(form: Mapping[str, str], kept: Mapping[str, Any], wrong: list[Wrong]) -> dict[str, Any]:
    # Spaces are part of a pattern.
    pattern, argv = form.get("check.pattern", "").strip("\n"), form.get("check.argv", "").strip()
    found: dict[str, Any] = {
        "pattern": kept.get("check.pattern") or (pattern if pattern.strip() else None),
        "argv": kept.get("check.argv") or (_read(argv, "words", "success_check.argv", wrong) if argv else None),
    }
    return {it: value for it, value in found.items() if value is not None}


def errors_of(wrong: list[Wrong], form: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, by the field of the form that it stands beside; '' for what belongs to none."""
    found: dict[str, str] = {}
    for it in wrong:
        place, inner = _place(it.field.split("."), form.get("target.kind", "command"))
        found.setdefault(place, beside(place, it, inner))
    return found


def _place(parts: list[str], kind: str) -> tuple[str, str]:
    """Where in the form a field of the API stands, and what of its value is meant."""
    first, *more = parts
    if first == "target" and more and more[0] in TARGETS.get(kind, {}):
        name, *inner = more
        # Arguments are counted from 1 by people.
        return f"{kind}.{name}", " ".join(f"Argument {int(it) + 1}" if it.isdigit() else it for it in inner)
    if first == "success_check":
        return "check.argv" if "argv" in more else "check.pattern", ""
    return "target.kind" if first == "target" else first if first in LABELS else "", ""


def called(fields: Iterable[str]) -> list[str]:
    """What people call these fields of a schedule, in the words of the form."""
    known = {**LABELS, "target": LABELS["target.kind"], "success_check": "Success check"}
    return [known.get(it, it) for it in fields]
