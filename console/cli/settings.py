"""`slotbeat settings`: each with its source; with a value, it is set."""

import json
from typing import Any
from urllib.parse import quote

import click

from console.cli import show
from console.cli.server import Server, server
from console.cli.show import json_option
from console.figures import figure

_COLUMNS: list[show.Column] = [
    ("key", lambda it: it["key"]),
    ("value", lambda it: _shown(it["value"])),
    ("source", lambda it: it["source"]),
    ("meaning", lambda it: it["meaning"]),
]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("key", required=False)
@click.argument("value", required=False)
@json_option
@click.pass_context
def settings(context: click.Context, key: str | None, value: str | None, as_json: bool) -> None:
    """Show every setting, show one, or set one."""
    api = server(context)
    if key is None:
        rows = api.ask("GET", "/api/settings")["items"]
        show.as_json(rows) if as_json else show.table(rows, _COLUMNS, "")
        return
    known = api.ask("GET", _path(key))
    if value is not None:
        known = _set(api, known, value)
    if as_json:
        show.as_json(known)
    else:
        show.facts({**known, **{name: _shown(known[name]) for name in ("value", "default")}}.items())


def _shown(value: Any) -> str | None:
    return None if value is None else figure(value)


def _set(api: Server, known: dict[str, Any], value: str) -> dict[str, Any]:
    after = api.ask("PUT", _path(known["key"]), {"value": _typed(value, known["default"])})
    if after["source"] == "environment":
        click.echo(f"{after['variable']} is set where the server runs, and masks what you wrote.", err=True)
    return after


def _typed(text: str, default: Any) -> Any:
    """The text as JSON has it, unless the setting is a text."""
    if isinstance(default, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _path(key: str) -> str:
    return f"/api/settings/{quote(key, safe='')}"
