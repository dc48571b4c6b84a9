"""The options of `schedule add` and `schedule edit`: one a field, named as the field is."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from console.cli.failures import USAGE, Failure
from console.cli.target_options import TARGET_OPTIONS, target_of, target_options

_Command = TypeVar("_Command", bound=Callable[..., Any])
_NUMBERS = {
    "priority": "0 (first) to 9",
    "start-deadline-s": "How many seconds late it may start.",
    "jitter-s": "Spread its starts over so many seconds.",
    "remaining-runs": "It ends after so many.",
    "max-turns": "Agent turns a firing may take.",
    "max-run-seconds": "The longest a firing may take.",
    "max-attempts": "Attempts of a firing.",
    "retry-backoff-s": "Seconds before another attempt.",
    "daily-turn-budget": "Turns a day, for heartbeats.",
    "budget-turns": "Turns in any 24 hours.",
    "budget-tokens": "Tokens in any 24 hours.",
    "budget-micros": "Millionths of a dollar in any 24 hours.",
    "alert-after-s": "Alert when nothing succeeded for so many seconds.",
}
_TEXTS = {
    "cron": "Five fields, for example '30 9 * * mon-fri'.",
    "timezone": "IANA name, for example Europe/Berlin.",
    "run-at": "The one moment of a schedule that runs once, for example 2026-03-29T02:30:00+02:00.",
    "start-at": "No occurrence before this moment.",
    "end-at": "No occurrence after this moment.",
    "success-command": "A program that must end with 0 for a firing to have succeeded; '' for none.",
    "success-pattern": "A regular expression that its result must match; '' for none.",
    "lane": "A cap shared with others, such as a model provider.",
}
_CHOICES = {
    "kind": (
        ["scheduled", "heartbeat", "once"],
        "Runs at its times; asks at its times whether there is work; or runs once, at --run-at.  [default: scheduled]",
    ),
    "overlap": (
        ["skip", "queue_one", "queue_all", "replace", "allow"],
        "While one of it still runs: skip the next, queue one of them or all, end the one that runs, or run both."
        "  [default: skip]",
    ),
    "missed": (
        ["latest", "all", "none"],
        "Of what came while nobody was up, run the latest, all of it (with --overlap queue_all or allow), or none."
        "  [default: latest]",
    ),
}


def field_options(command: _Command) -> _Command:
    """Adds them; the command takes them as keyword arguments, None where not given."""
    # In the order in which they are most looked for: when, what it is asked, its bounds; then what it runs.
    options: list[Any] = [
        *(click.option(f"--{name}", help=words) for name, words in _TEXTS.items()),
        *(click.option(f"--{name}", type=click.Choice(them), help=words) for name, (them, words) in _CHOICES.items()),
        click.option("--prompt", help="What the target is asked to do; a command reads it from its standard input."),
        click.option("--prompt-file", type=click.Path(dir_okay=False, allow_dash=True), help="The prompt; - is stdin."),
        *(click.option(f"--{name}", type=int, help=words) for name, words in _NUMBERS.items()),
    ]
    command = target_options(command)
    for add in reversed(options):
        command = add(command)
    return command


def fields_of(given: dict[str, Any], argv: tuple[str, ...]) -> dict[str, Any]:
    """What was given, as the API takes it."""
    fields = {name: value for name, value in given.items() if value is not None and value != ()}
    prompt_file = fields.pop("prompt_file", None)
    if prompt_file is not None:
        fields["prompt"] = _read(prompt_file)
    target = target_of({name: fields.pop(name) for name in TARGET_OPTIONS if name in fields}, argv)
    if target is not None:
        fields["target"] = target
    fields |= _success_check(fields.pop("success_command", None), fields.pop("success_pattern", None))
    if "run_at" in fields and "kind" not in fields:
        fields["kind"] = "once"
    return fields


def _success_check(command: str | None, pattern: str | None) -> dict[str, Any]:
    if command is not None and pattern is not None:
        raise Failure("Give --success-command or --success-pattern, not both.", USAGE)
    if command is None and pattern is None:
        return {}
    if not (command or pattern):
        return {"success_check": None}
    try:
        return {"success_check": {"argv": shlex.split(command)} if command else {"pattern": pattern}}
    except ValueError as error:
        raise Failure(f"--success-command: {error}. Quote it as in a shell.", USAGE) from error


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return Path(name).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise Failure(f"{name}: {error.strerror}.", USAGE) from error
