"""`slotbeat schedule history`, `skip-next`, `copy` and `export`: a schedule and what became of it."""

import click

from console.cli import completing, found, show
from console.cli.advice import advice
from console.cli.declared import as_declared, written
from console.cli.server import server
from console.cli.show import json_option


@click.command()
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@json_option
@click.pass_context
def history(context: click.Context, called: str, as_json: bool) -> None:
    """Show what was edited, when and by whom, newest first."""
    api = server(context)
    known = found.schedule(api, called)
    rows = api.every(f"/api/schedules/{known['id']}/revisions")
    if as_json:
        show.as_json(rows)
        return
    for it in rows:
        click.echo(show.cell(f"revision {it['revision']}, {show.moment(it['at'])}, by {it['actor']}", 0))
        for name, change in it["changes"].items():
            click.echo(show.cell(f"  {name}: {show.written(change['from'])} -> {show.written(change['to'])}", 0))
    click.echo(show.cell(f"made {show.moment(known['created_at'])}", 0))


@click.command("skip-next")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.option("--undo", is_flag=True, help="It runs after all.")
@json_option
@click.pass_context
def skip_next(context: click.Context, called: str, undo: bool, as_json: bool) -> None:
    """Skip the next occurrence of a schedule, once. The one after it runs."""
    api = server(context)
    path = f"/api/schedules/{found.schedule(api, called)['id']}/skip-next"
    after = api.ask("DELETE" if undo else "POST", path)
    if as_json:
        show.as_json(after)
        return
    skipped = after["skip_next_at"]
    told = f"skips {show.moment(skipped)}, once" if skipped else f"runs {show.ago(after['next_run_at'])}"
    click.echo(show.cell(f"{after['workspace']}/{after['name']} {told}", 0))


@click.command()
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.argument("name")
@click.option(
    "--workspace",
    "-w",
    shell_complete=completing.workspaces,
    help="Into this one; without it, beside the one that is copied.",
)
@json_option
@click.pass_context
def copy(context: click.Context, called: str, name: str, workspace: str | None, as_json: bool) -> None:
    """Make a schedule like another one, under a new NAME. Its history is not copied."""
    api = server(context)
    known = found.schedule(api, called)
    place = found.workspace(api, workspace)["id"] if workspace else known["workspace_id"]
    body = {**as_declared(known), "name": name, "workspace_id": place}
    body.pop("workspace")
    told = api.ask("POST", "/api/schedules", body)
    if as_json:
        show.as_json(told)
        return
    click.echo(show.cell(f"{told['schedule']['workspace']}/{name} runs {show.ago(told['schedule']['next_run_at'])}", 0))
    for line in advice(told):
        click.echo(show.cell(line, 0), err=True)


@click.command()
@click.argument("called", metavar="[SCHEDULE]...", nargs=-1, shell_complete=completing.schedules)
@click.option("--workspace", "-w", shell_complete=completing.workspaces, help="All of this workspace.")
@json_option
@click.pass_context
def export(context: click.Context, called: tuple[str, ...], workspace: str | None, as_json: bool) -> None:
    """Print schedules as a file for `apply`. All of them, if none is named."""
    api = server(context)
    place = found.workspace(api, workspace)["id"] if workspace else None
    rows = [found.schedule(api, it) for it in called] or api.every("/api/schedules", workspace=place)
    rows.sort(key=lambda it: (it["workspace"], it["name"]))
    declared = {"schedules": [as_declared(it) for it in rows]}
    show.as_json(declared) if as_json else click.echo(written(declared), nl=False)
