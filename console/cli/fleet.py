"""`slotbeat pause` and `slotbeat resume`: the whole fleet."""

import click

from console.cli import show
from console.cli.server import server
from console.cli.show import json_option


@click.command()
@click.option("--note", "-m", help="Why, for whoever looks at it later.")
@json_option
@click.pass_context
def pause(context: click.Context, note: str | None, as_json: bool) -> None:
    """Pause the whole fleet: nothing starts, what runs goes on, what comes due is skipped."""
    told = server(context).ask("POST", "/api/pause", {"note": note})
    if as_json:
        show.as_json(told)
    else:
        why = f": {told['note']}" if told["note"] else ""
        click.echo(show.cell(f"the fleet is paused by {told['paused_by']}{why}", 0))


@click.command()
@json_option
@click.pass_context
def resume(context: click.Context, as_json: bool) -> None:
    """Resume the whole fleet from now on; nothing that it missed is fired."""
    told = server(context).ask("POST", "/api/resume")
    show.as_json(told) if as_json else click.echo("the fleet is not paused")
