"""`slotbeat schedule preview` and `slotbeat schedule backfill`."""

from typing import Any

import click

from console.cli import completing, found, show
from console.cli.server import server
from console.cli.show import json_option

_COMING: list[show.Column] = [("occurrence", lambda it: show.moment(it["nominal_at"]))]
_MADE: list[show.Column] = [
    ("occurrence", lambda it: show.moment(it["nominal_at"])),
    ("firing", lambda it: it["firing_id"]),
]


@click.command()
@click.argument("cron", required=False)
@click.option("--timezone", help="IANA name, for example Europe/Berlin.")
@click.option("--run-at", help="The one moment of a schedule that runs once.")
@click.option("--start-at", help="No occurrence before this moment.")
@click.option("--end-at", help="No occurrence after this moment.")
@json_option
@click.pass_context
def preview(context: click.Context, cron: str | None, as_json: bool, **given: Any) -> None:
    """Say when a cron expression runs next. For example: slotbeat schedule preview '30 9 * * mon-fri'."""
    body = {name: value for name, value in {"cron": cron, **given}.items() if value is not None}
    if "run_at" in body:
        body["kind"] = "once"
    told = server(context).ask("POST", "/api/schedules/preview", body)
    if as_json:
        show.as_json(told)
        return
    click.echo(show.cell(told["words"], 0))
    show.table(told["occurrences"], _COMING, "It has no further occurrence.")
    _warn(told)


@click.command()
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.option("--start", required=True, help="From this moment on, for example 2026-03-29T02:30:00+02:00.")
@click.option("--end", required=True, help="Until this moment, which has passed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be fired.")
@json_option
@click.pass_context
def backfill(context: click.Context, called: str, start: str, end: str, dry_run: bool, as_json: bool) -> None:
    """Fire what a past span did not. Its occurrences that made no firing are fired; skips are replaced."""
    api = server(context)
    path = f"/api/schedules/{found.schedule(api, called)['id']}/backfill"
    told = api.ask("POST", path, {"start": start, "end": end, "dry_run": dry_run})
    if as_json:
        show.as_json(told)
        return
    show.table(told["occurrences"], _MADE, "There is nothing to fire in that span.")
    words = f"{len(told['occurrences'])} {'would be' if dry_run else 'are'} in line, {told['fired_already']} had fired"
    left = told["skipped_by_other_times"]
    click.echo(show.cell(words + (f", {left} were skipped under other times and stay so" if left else ""), 0))
    _warn(told)


def _warn(told: dict[str, Any]) -> None:
    for it in told["warnings"]:
        click.echo(show.cell(f"warning: {it['message']}", 0), err=True)
