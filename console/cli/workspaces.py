"""`slotbeat workspace`: list, add, edit, remove."""

from typing import Any

import click

from console.cli import found, show
from console.cli.server import server
from console.cli.show import json_option

_FIELDS = ("name", "status", "native_scheduler", "health_url", "restart_url", "cap")
_STATES = ["provisioning", "online", "offline", "degraded", "failed", "paused", "hibernated", "hibernating"]
_COLUMNS: list[show.Column] = [
    ("name", lambda it: it["name"]),
    ("status", lambda it: it["status"]),
    ("cap", lambda it: it["cap"]),
    ("running", lambda it: it["active_tasks"]),
    ("task", lambda it: it["current_task"]),
    ("active", lambda it: show.ago(it["last_activity_at"])),
    ("id", lambda it: it["id"]),
]


@click.group()
def workspace() -> None:
    """Manage workspaces. WORKSPACE is an id or a name."""


def _field_options(command: Any) -> Any:
    for add in (
        click.option("--restart-url", help="Called to restart it."),
        click.option("--health-url", help="Asked whether it is fit."),
        click.option("--native/--not-native", "native_scheduler", default=None, help="It schedules itself."),
        click.option("--cap", type=int, help="Firings at once in it."),
        click.option("--status", type=click.Choice([*_STATES, "awaiting_agent"])),
    ):
        command = add(command)
    return command


@workspace.command("list")
@json_option
@click.pass_context
def list_workspaces(context: click.Context, as_json: bool) -> None:
    """List workspaces."""
    rows = server(context).every("/api/workspaces")
    if as_json:
        show.as_json(rows)
    else:
        rows.sort(key=lambda it: it["name"])
        show.table(rows, _COLUMNS, "There are no workspaces. Add one with `slotbeat workspace add`.")


@workspace.command("add")
@click.argument("name")
@_field_options
@json_option
@click.pass_context
def add_workspace(context: click.Context, name: str, as_json: bool, **given: Any) -> None:
    """Add a workspace."""
    body = {"name": name, **{it: value for it, value in given.items() if value is not None}}
    made = server(context).ask("POST", "/api/workspaces", body)
    show.as_json(made) if as_json else click.echo(made["id"])


@workspace.command("edit")
@click.argument("called", metavar="WORKSPACE")
@click.option("--name", help="Its new name.")
@_field_options
@click.option("--clear", multiple=True, type=click.Choice(["cap", "health-url", "restart-url"]))
@json_option
@click.pass_context
def edit_workspace(context: click.Context, called: str, clear: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Edit the fields that are given."""
    changes = {it: value for it, value in given.items() if value is not None}
    changes |= {it.replace("-", "_"): None for it in clear}
    if not changes:
        raise click.UsageError("Nothing to edit: give an option.", context)
    api = server(context)
    known = found.workspace(api, called)
    body = {**{it: known[it] for it in _FIELDS}, **changes}
    after = api.ask("PUT", f"/api/workspaces/{known['id']}", body)
    show.as_json(after) if as_json else click.echo(show.cell(f"{after['name']} is {after['status']}", 0))


@workspace.command("remove")
@click.argument("called", metavar="WORKSPACE")
@click.pass_context
def remove_workspace(context: click.Context, called: str) -> None:
    """Remove a workspace: what waits in it is cancelled, what runs ended, its schedules archived."""
    api = server(context)
    known = found.workspace(api, called)
    api.ask("DELETE", f"/api/workspaces/{known['id']}")
    click.echo(show.cell(f"{known['name']} is removed", 0))
