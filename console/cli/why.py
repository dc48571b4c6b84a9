"""`slotbeat why`: what happened and why, for a firing, or a schedule and a moment."""

from datetime import datetime
from typing import Any

import click

from console.cli import completing, found, show
from console.cli.failures import NOT_FOUND, Failure
from console.cli.server import Server, server
from console.cli.show import json_option


@click.command()
@click.argument("called", metavar="SCHEDULE|FIRING", shell_complete=completing.schedules)
@click.option(
    "--at", "at", metavar="TIME", help="The moment, as in 2026-03-29T02:30:00+02:00; default: its last firing or skip."
)
@json_option
@click.pass_context
def why(context: click.Context, called: str, at: str | None, as_json: bool) -> None:
    """Tell what happened and why: of a firing's id, or of a schedule at a moment, past or to come."""
    api = server(context)
    told = _ask(api, called, at)
    if as_json:
        show.as_json(told)
        return
    click.echo(show.cell(told["words"], 0))
    for it in told["steps"]:
        click.echo(show.cell(f"  {datetime.fromisoformat(it['at']):%Y-%m-%d %H:%M:%S}Z  {it['words']}", 0))
    if told["firing_id"] and told["firing_id"] != called:
        click.echo(f"firing {told['firing_id']}")


def _ask(api: Server, called: str, at: str | None) -> Any:
    if at is None and found.is_id(called):
        try:
            return api.ask("GET", f"/api/firings/{called}/why")
        except Failure as failure:
            if failure.exit_code != NOT_FOUND:
                raise
    known = found.schedule(api, called)
    return api.ask("GET", f"/api/schedules/{known['id']}/why", query={"at": at})
