"""`slotbeat stream`: says that people are talking, so that due schedules are put off."""

import click

from console.cli import found, show
from console.cli.server import server
from console.cli.show import json_option

_COLUMNS: list[show.Column] = [
    ("stream", lambda it: it["id"]),
    ("workspace", lambda it: it["workspace_id"] or "all"),
    ("good for", lambda it: f"{it['left_ms'] / 1000:.0f} s"),
]


@click.group()
def stream() -> None:
    """Say that people are talking: while a stream is active, due schedules are put off."""


@stream.command("list")
@json_option
@click.pass_context
def list_streams(context: click.Context, as_json: bool) -> None:
    """List active streams."""
    rows = server(context).every("/api/interactive-streams")
    show.listing(rows, _COLUMNS, "No stream is active.", json_wanted=as_json)


@stream.command("hold")
@click.argument("stream_id", metavar="STREAM")
@click.option("--ttl", "ttl_s", type=int, default=60, show_default=True, help="Seconds it is good for, unless renewed.")
@click.option("--workspace", help="Put off schedules of this workspace only.")
@click.pass_context
def hold_stream(context: click.Context, stream_id: str, ttl_s: int, workspace: str | None) -> None:
    """Register a stream, or renew it. Any name will do."""
    api = server(context)
    about = None if workspace is None else found.workspace(api, workspace)["id"]
    told = api.ask("PUT", _path(stream_id), {"ttl_s": ttl_s, "workspace_id": about})
    click.echo(show.cell(f"{told['id']} is active for {told['ttl_s']} s", 0))


@stream.command("end")
@click.argument("stream_id", metavar="STREAM")
@click.pass_context
def end_stream(context: click.Context, stream_id: str) -> None:
    """End a stream."""
    server(context).ask("DELETE", _path(stream_id))
    click.echo(show.cell(f"{stream_id} has ended", 0))


def _path(stream_id: str) -> str:
    from urllib.parse import quote

    return f"/api/interactive-streams/{quote(stream_id, safe='')}"
