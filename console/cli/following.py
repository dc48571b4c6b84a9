"""What a firing says, line by line, until it ends."""

import json
from collections.abc import Mapping
from typing import Any

import click

from console.cli.server import Server
from shared.rules.text import one_line, words_of


def follow(api: Server, firing: str, *, as_json: bool) -> dict[str, Any]:
    """Prints its events as they come; the firing as it ended."""
    for it in api.follow(firing):
        tell(it, as_json=as_json)
    return api.ask("GET", f"/api/firings/{firing}")


def tell(event: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints one event as one line."""
    if as_json:
        click.echo(json.dumps(event))
        return
    click.echo(f"{event['at'][11:19]}  {event['kind']:<7}  {one_line(words_of(event['data']))}")
