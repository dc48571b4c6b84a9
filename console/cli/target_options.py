"""The options that say what a schedule runs: a command behind --, or one of the kinds that are called."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from console.cli.failures import USAGE, Failure

_Command = TypeVar("_Command", bound=Callable[..., Any])
# Which options go with which kind; `command` has its own behind --.
_OF_KIND = {
    "command": ("env", "secret_env", "cwd", "adapter"),
    "http": ("method", "header", "secret_header", "body", "prompt_field", "timeout_s"),
    "a2a": ("header", "secret_header"),
    "python": ("env", "secret_env", "cwd", "kwargs"),
    "celery": ("task_queue", "broker", "result_backend", "kwargs"),
}
_FIRST = {"http": "url", "a2a": "url", "python": "callable", "celery": "task"}
TARGET_OPTIONS = ("target", *_FIRST, *dict.fromkeys(it for them in _OF_KIND.values() for it in them))


def target_options(command: _Command) -> _Command:
    """Adds them; the command takes them as keyword arguments, None or () where not given."""
    options: list[Any] = [
        click.option("--http", metavar="URL", help="Call this address with the prompt."),
        click.option("--a2a", metavar="URL", help="Ask the agent whose card is found there."),
        click.option("--python", metavar="NAME", help="Call package.module:function, or an entry point."),
        click.option("--celery", metavar="TASK", help="Send a task of another Celery app, and await it."),
        click.option("--target", metavar="JSON", help="The whole target, as the API takes it."),
        click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable of the payload; again for more."),
        click.option("--secret-env", multiple=True, metavar="NAME=VARIABLE", help="The same, from the worker's own."),
        click.option("--cwd", help="The folder it runs in."),
        click.option("--adapter", type=click.Choice(["generic", "claude-code", "codex"]), help="Whose events it says."),
        click.option("--method", help="Of the call; POST if not given."),
        click.option("--header", multiple=True, metavar="NAME=VALUE", help="Of the call; again for more."),
        click.option("--secret-header", multiple=True, metavar="NAME=VARIABLE", help="The same, from the worker's."),
        click.option("--body", metavar="JSON", help='Of the call; {"prompt": ...} if not given.'),
        click.option("--prompt-field", help="Where in the body the prompt goes."),
        click.option("--timeout-s", type=int, help="How long the whole call may take."),
        click.option("--kwargs", metavar="JSON", help="Arguments of a callable or a task."),
        click.option("--task-queue", metavar="QUEUE", help="Of the other Celery app."),
        click.option("--broker", metavar="VARIABLE", help="The worker's variable with that app's broker URL."),
        click.option("--result-backend", metavar="VARIABLE", help="The same of its results, if it is another."),
    ]
    for add in reversed(options):
        command = add(command)
    return command


def target_of(given: dict[str, Any], argv: tuple[str, ...]) -> dict[str, Any] | None:
    """The target that the options say; None where they say none."""
    if "target" in given:
        if len(given) > 1 or argv:
            raise Failure("--target is the whole of it: leave the other options of a target out.", USAGE)
        return _json("--target", given["target"])
    kinds = [*(["command"] if argv else []), *(kind for kind in _FIRST if kind in given)]
    if len(kinds) > 1:
        raise Failure("A schedule runs one thing: a command behind --, or --http, --a2a, --python or --celery.", USAGE)
    if not kinds:
        if given:
            raise Failure(f"{_option(next(iter(given)))} belongs to a target: write that again beside it.", USAGE)
        return None
    [kind] = kinds
    first = {"argv": list(argv)} if argv else {_FIRST[kind]: given.pop(kind)}
    for name in given:
        if name not in _OF_KIND[kind]:
            raise Failure(f"{_option(name)} does not go with the kind {kind}.", USAGE)
    return {"kind": kind, **first, **_more(given)}


def _more(given: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field, plain, secret in (("env", "env", "secret_env"), ("headers", "header", "secret_header")):
        values: dict[str, Any] = dict(_pair(plain, it) for it in given.pop(plain, ()))
        values.update({name: {"$env": it} for name, it in (_pair(secret, it) for it in given.pop(secret, ()))})
        if values:
            told[field] = values
    for name in ("body", "kwargs"):
        if name in given:
            told[name] = _json(_option(name), given.pop(name))
    for field, name in (("broker_url", "broker"), ("result_backend", "result_backend")):
        if name in given:
            told[field] = {"$env": given.pop(name)}
    if "task_queue" in given:
        told["queue"] = given.pop("task_queue")
    return {**told, **given}


def _json(option: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{option} is no JSON: {error}.", USAGE) from error
    if not isinstance(found, dict):
        raise Failure(f"{option} takes a JSON object.", USAGE)
    return found


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        wanted = "NAME=VARIABLE" if option.startswith("secret") else "NAME=VALUE"
        raise Failure(f"{_option(option)} {text}: write {wanted}.", USAGE)
    return name, value


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
