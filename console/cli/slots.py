"""`slotbeat slots` and `slotbeat limit`: who holds, who waits, and under which caps."""

from collections.abc import Mapping
from typing import Any

import click

from console.cli import found, show
from console.cli.server import server
from console.cli.show import json_option
from console.cli.watching import watched


def _holds(it: Mapping[str, Any]) -> str | None:
    """What keeps it out of the line; an API of an earlier release does not say."""
    return it.get("held_by")


_USE: list[show.Column] = [
    ("limit", lambda it: it["limit"]["key"]),
    ("cap", lambda it: it["limit"]["cap"]),
    ("held", lambda it: it["limit"]["held"]),
    ("forced", lambda it: it["limit"]["forced"]),
    ("in line", lambda it: sum(not _holds(each) for each in it["line"])),
    ("held back", lambda it: sum(bool(_holds(each)) for each in it["line"])),
]
_LIMITS: list[show.Column] = [
    ("limit", lambda it: it["key"]),
    ("cap", lambda it: it["cap"]),
    ("held", lambda it: it["held"]),
    ("surplus", lambda it: it["surplus"]),
    ("set by", lambda it: it["updated_by"]),
    ("set", lambda it: show.ago(it["updated_at"])),
]
_HOLDERS: list[show.Column] = [
    ("running", lambda it: it["title"]),
    ("since", lambda it: show.ago(it["claimed_at"])),
    ("at most until", lambda it: show.ago(it["run_expires_at"])),
    ("firing", lambda it: it["firing_id"]),
]
_LINE: list[show.Column] = [
    ("waiting", lambda it: f"{it['workspace']}/{it['title']}"),
    ("since", lambda it: show.ago(it["queued_at"])),
    ("priority", lambda it: it["priority"]),
    ("firing", lambda it: it["id"]),
    ("for", lambda it: _holds(it) or "a slot"),
]


@click.command()
@json_option
@watched
@click.pass_context
def slots(context: click.Context, as_json: bool) -> None:
    """Show usage, caps, holders and who waits, for a slot or for something else."""
    api = server(context)
    told, pause = api.ask("GET", "/api/slots"), api.ask("GET", "/api/pause")
    if as_json:
        show.as_json(told)
        return
    show.table(told["items"], _USE, "There are no limits.")
    fleet: dict[str, Any] = told["items"][0]
    line = sorted(fleet["line"], key=lambda it: bool(_holds(it)))
    for rows, columns in ((fleet["holders"], _HOLDERS), (line, _LINE)):
        if rows:
            click.echo()
            show.table(rows, columns, "")
    if pause["paused"]:
        why = f" ({pause['note']})" if pause["note"] else ""
        words = f"The fleet is paused by {pause['paused_by']}{why}: nothing starts. Resume it: slotbeat resume."
        click.echo(show.cell(words, 0), err=True)
    if told["gate"] is None:
        click.echo("Redis does not answer: what runs goes on, nothing new starts.", err=True)


@click.group()
def limit() -> None:
    """Manage caps. KEY is fleet, workspace:NAME (or its id) or lane:NAME."""


@limit.command("list")
@json_option
@watched
@click.pass_context
def list_limits(context: click.Context, as_json: bool) -> None:
    """List limits."""
    rows = server(context).every("/api/limits")
    show.listing(rows, _LIMITS, "There are no limits.", json_wanted=as_json)


# A cap of -1 is a cap that cannot be, which the API says, and no option.
@limit.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("cap", type=int)
@json_option
@click.pass_context
def set_limit(context: click.Context, key: str, cap: int, as_json: bool) -> None:
    """Set a cap; 0 stops all admission under it. Lowering it ends nothing."""
    api = server(context)
    known = api.ask("PUT", _path(found.limit_key(api, key)), {"cap": cap})
    later = f" while the fleet is paused, then {cap}" if known["cap"] != cap else ""
    if as_json:
        show.as_json(known)
        return
    click.echo(show.cell(f"{known['key']} has cap {known['cap']}{later}, of which {known['held']} held", 0))


@limit.command("remove")
@click.argument("key")
@click.pass_context
def remove_limit(context: click.Context, key: str) -> None:
    """Remove the limit of a workspace or a lane."""
    api = server(context)
    known = found.limit_key(api, key)
    api.ask("DELETE", _path(known))
    click.echo(show.cell(f"{known} has no limit any more", 0))


def _path(key: str) -> str:
    from urllib.parse import quote

    return f"/api/limits/{quote(key, safe=':')}"
