"""`slotbeat up`, `down` and `demo`: the whole stack on one machine."""

import sys
from pathlib import Path

import click

from console.cli.failures import Failure
from console.cli.server import server


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where its data is. [default: .slotbeat]")
@click.option("--port", type=click.IntRange(1, 65_535), help="Of the dashboard. [default: 8000, else a free one]")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Worker processes.")
@click.option("--no-demo", is_flag=True, help="Without the demo fleet on the first start.")
@click.option("--wait-ready", is_flag=True, help="Wait until the one that runs here answers, then exit.")
@click.pass_context
def up(
    context: click.Context, folder: Path | None, port: int | None, workers: int, no_demo: bool, wait_ready: bool
) -> None:
    """Run the whole stack on this machine, until Ctrl-C."""
    from console.local import up as local

    where = folder or Path(context.obj["folder"])
    if wait_ready:
        sys.exit(local.wait_ready(where))
    sys.exit(local.up(where, port, workers, not no_demo))


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where its data is. [default: .slotbeat]")
@click.pass_context
def down(context: click.Context, folder: Path | None) -> None:
    """Stop the stack that runs in a folder."""
    from console.local.down import down as stop

    sys.exit(stop(folder or Path(context.obj["folder"])))


@click.command()
@click.pass_context
def demo(context: click.Context) -> None:
    """Load the demo fleet; what is there already is left alone."""
    from console.cli.remote import Remote
    from console.local.demo import load

    api = server(context)
    if not api.is_by(Remote):
        raise Failure("The demo needs a running server: start it with `slotbeat up`, or set SLOTBEAT_URL.")
    made = load(api.url, Path(context.obj["folder"]).absolute(), dict(api.headers))
    click.echo(f"{made} schedules made")
