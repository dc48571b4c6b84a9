"""`slotbeat failure-class`: outages that several schedules share, and what they hold."""

from typing import Any
from urllib.parse import quote

import click

from console.cli import show
from console.cli.server import server
from console.cli.show import json_option
from console.cli.watching import watched


def _next_probe(it: Any) -> str | None:
    if it["healed_at"] is not None:
        return None
    return f"firing {it['probe_id']}" if it["probe_id"] else show.ago(it["next_probe_at"])


_COLUMNS: list[show.Column] = [
    ("class", lambda it: it["key"]),
    ("state", lambda it: "tripped" if it["healed_at"] is None else "closed"),
    ("since", lambda it: show.ago(it["healed_at"] or it["tripped_at"])),
    ("waiting", lambda it: it["waiting"]),
    ("probes", lambda it: it["probes"]),
    ("next probe", _next_probe),
    ("closed by", lambda it: it["healed_by"]),
]


@click.group("failure-class")
def failure_class() -> None:
    """See outages that several schedules share. While one lasts, firings wait, and one at a time tries again."""


@failure_class.command("list")
@click.option("--tripped", is_flag=True, help="Only those that hold firings now.")
@json_option
@watched
@click.pass_context
def list_classes(context: click.Context, tripped: bool, as_json: bool) -> None:
    """List classes, tripped ones first."""
    rows = server(context).every("/api/failure-classes", tripped="true" if tripped else "false")
    show.listing(
        rows, _COLUMNS, "No class of failures is tripped." if tripped else "None was ever tripped.", json_wanted=as_json
    )


@failure_class.command("release")
@click.argument("key")
@click.pass_context
def release_class(context: click.Context, key: str) -> None:
    """Let everything go on that a class holds. Nobody waits for a probe then. KEY is as `list` shows it."""
    told = server(context).ask("POST", f"/api/failure-classes/{quote(key, safe=':@')}/release")
    click.echo(show.cell(f"{told['key']} is closed", 0))
